from django.apps import AppConfig


class SubscriptionsConfig(AppConfig):
    name = "kvit.subscriptions"
    label = "subscriptions"
