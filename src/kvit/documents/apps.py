"""The documents as a Django app."""

from django.apps import AppConfig


class DocumentsConfig(AppConfig):
    name = "kvit.documents"
    label = "documents"
