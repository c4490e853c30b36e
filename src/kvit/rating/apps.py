from django.apps import AppConfig


class RatingConfig(AppConfig):
    name = "kvit.rating"
    label = "rating"
