from django.apps import AppConfig


class IntegrationsConfig(AppConfig):
    name = "kvit.integrations"
    label = "integrations"
