from django.apps import AppConfig


class Insight(AppConfig):
    name = "kvit.insight"
    label = "insight"
