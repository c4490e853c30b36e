"""The platform as a Django app; when all apps stand it loads what they tell and hear."""

from importlib import import_module

from django.apps import AppConfig, apps
from django.utils.module_loading import module_has_submodule


class PlatformConfig(AppConfig):
    name = "kvit.platform"
    label = "platform"

    def ready(self) -> None:
        """Import each context's facts, handlers and jobs: publishing must know every consumer, a
        worker every job."""
        for app in apps.get_app_configs():
            for name in ("events", "handlers", "jobs"):
                if app.name.startswith("kvit.") and module_has_submodule(app.module, name):
                    import_module(f"{app.name}.{name}")
