"""The platform as a Django app; when all apps stand it loads what they tell and hear."""

from importlib import import_module

from django.apps import AppConfig, apps
from django.utils.module_loading import module_has_submodule


class PlatformConfig(AppConfig):
    name = "kvit.platform"
    label = "platform"

    def ready(self) -> None:
        """Import each context's facts and handlers: publishing must know every consumer."""
        for app in apps.get_app_configs():
            for name in ("events", "handlers"):
                if app.name.startswith("kvit.") and module_has_submodule(app.module, name):
                    import_module(f"{app.name}.{name}")
