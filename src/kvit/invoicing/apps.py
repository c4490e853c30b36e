from django.apps import AppConfig


class InvoicingConfig(AppConfig):
    name = "kvit.invoicing"
    label = "invoicing"
