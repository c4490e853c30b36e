"""The platform as a Django app: event log, deliveries, audit rows, idempotency keys."""

from django.apps import AppConfig


class PlatformConfig(AppConfig):
    name = "kvit.platform"
    label = "platform"
