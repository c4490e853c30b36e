from django.apps import AppConfig


class PartiesConfig(AppConfig):
    name = "kvit.parties"
    label = "parties"
