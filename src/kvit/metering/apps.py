"""Metering as a Django app."""

from django.apps import AppConfig


class MeteringConfig(AppConfig):
    name = "kvit.metering"
    label = "metering"
