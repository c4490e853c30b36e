"""Django's settings: which apps stand, and how the database is reached.

What an operator may set lives in `kvit.platform.settings`; this file translates it for Django.
"""

import secrets
from pathlib import Path

from kvit.platform.db.roles import django_database

PACKAGE = Path(__file__).resolve().parent.parent
CONTEXTS = (
    "platform",
    "parties",
    "catalog",
    "ledger",
    "metering",
    "subscriptions",
    "rating",
    "invoicing",
    "documents",
    "integrations",
)

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "procrastinate.contrib.django",
    *(f"kvit.{name}" for name in CONTEXTS if (PACKAGE / name / "__init__.py").exists()),
]
DATABASES = {"default": django_database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "parties.User"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]

USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "ru"
USE_I18N = True

# No page stands yet, so nothing is signed: a key made for this process alone is enough. The
# pages' issue reads it from the data folder.
SECRET_KEY = secrets.token_urlsafe(48)
