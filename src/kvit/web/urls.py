"""Where everything is: office, API and the few public pages, each with its right."""

from importlib import import_module

from django.urls import include, path
from django.views.i18n import set_language

from kvit.web import health, office, refusals
from kvit.web.api import urls as api
from kvit.web.login import urls as login
from kvit.web.routes import PUBLIC, Route, declare, patterns

_OFFICE = [import_module(f"kvit.web.office.{name}") for name in office.MODULES]

handler400 = refusals.malformed
handler404 = refusals.not_found
handler500 = refusals.broken

_language = declare(Route("language/", "language", PUBLIC, frozenset({"POST"}), "action"))(
    set_language
)

urlpatterns = [
    *login.patterns,
    path("language/", _language, name="language"),
    path("office/", include((patterns(_OFFICE), "office"))),
    path("api/v1/", include(api.patterns)),
    *patterns([health]),
]
