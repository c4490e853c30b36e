from django.apps import AppConfig


class RatingConfig(AppConfig):
    name = "kvit.rating"
    label = "rating"

    def ready(self) -> None:
        """Let workers know the jobs."""
        from kvit.rating import simulation  # noqa: F401
