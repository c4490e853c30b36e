from django.apps import AppConfig


class CatalogConfig(AppConfig):
    name = "kvit.catalog"
    label = "catalog"
