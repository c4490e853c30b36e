"""Django's settings: which apps stand, how the database is reached, how pages are served.

What an operator may set lives in `kvit.platform.settings`; this file translates it for Django.
"""

from pathlib import Path

from kvit.platform import settings as known
from kvit.platform.db.roles import django_database
from kvit.web.secret_key import secret_key

PACKAGE = Path(__file__).resolve().parent.parent
WEB = Path(__file__).resolve().parent
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
    "insight",
)

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "procrastinate.contrib.django",
    *(f"kvit.{name}" for name in CONTEXTS if (PACKAGE / name / "__init__.py").exists()),
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.gzip.GZipMiddleware",
    "kvit.web.headers.SecurityHeaders",
    "kvit.web.login.sessions.Sessions",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "kvit.web.access.Access",
    "kvit.web.refusals.Refusals",
    "kvit.web.api.problems.Errors",
]
DATABASES = {"default": django_database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "parties.User"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
CACHES = {"default": {"BACKEND": "kvit.platform.cache.PostgresCache"}}

USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "ru"
LANGUAGES = [("ru", "Русский"), ("en", "English")]
LANGUAGE_COOKIE_NAME = "kvit_language"
USE_I18N = True
LOCALE_PATHS = [WEB / "locale"]

ROOT_URLCONF = "kvit.web.urls"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [WEB / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "builtins": [
                "django.templatetags.i18n",
                "django.templatetags.static",
                "kvit.web.tags",
                "kvit.web.cells",
            ],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "kvit.web.office.navigation.context",
            ],
        },
    }
]
STATIC_URL = "/static/"
STATICFILES_DIRS = [WEB / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "kvit.web.headers.VersionedFiles"},
}
WHITENOISE_AUTOREFRESH = False
WHITENOISE_USE_FINDERS = True  # ours, and what allauth's passkey pages need
WHITENOISE_MAX_AGE = 24 * 3600

SECRET_KEY = secret_key(known.load().data)
ALLOWED_HOSTS = known.load().hosts.split(",")
SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = known.load().https
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if known.load().https else None
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if known.load().https else 0
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_ENGINE = "kvit.web.login.sessions"
DATA_UPLOAD_MAX_MEMORY_SIZE = 8 * 2**20
DATA_UPLOAD_MAX_NUMBER_FIELDS = 5_000
CSRF_FAILURE_VIEW = "kvit.web.access.forged"

# --- login: what django-allauth does here; the pages are in kvit.web.login.urls ---
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}", "OPTIONS": options}
    for name, options in (
        ("MinimumLengthValidator", {"min_length": 12}),
        ("UserAttributeSimilarityValidator", {"user_attributes": ("email", "name")}),
        ("CommonPasswordValidator", {}),
    )
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
ALLAUTH_TRUSTED_PROXY_COUNT = 1 if known.load().https else 0
ACCOUNT_ADAPTER = "kvit.web.login.adapters.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"  # an invitation goes to the address: who sets a password has it
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_REAUTHENTICATION_METHODS = ("password", "mfa")
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "https" if known.load().https else "http"
ACCOUNT_RATE_LIMITS = {"login_failed": "20/m/ip,5/10m/key"}
MFA_ADAPTER = "kvit.web.login.adapters.MFAAdapter"
MFA_FORMS = {
    "authenticate": "kvit.web.login.forms.AuthenticateForm",
    "reauthenticate": "kvit.web.login.forms.ReauthenticateForm",
    "add_webauthn": "kvit.web.login.forms.AddPasskeyForm",
    "authenticate_webauthn": "kvit.web.login.forms.AuthenticatePasskeyForm",
    "login_webauthn": "kvit.web.login.forms.LoginPasskeyForm",
    "reauthenticate_webauthn": "kvit.web.login.forms.ReauthenticatePasskeyForm",
}
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_ALLOW_UNVERIFIED_EMAIL = True  # the address was proved by the invitation
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_TOTP_TOLERANCE = 1  # a step before and after; each code opens once
USERSESSIONS_TRACK_ACTIVITY = False  # `kvit.web.access` notes it, not at each request

# `kvit.web.refusals` says it in a line; Django would write a trace for each foreign name.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "loggers": {"django.security.DisallowedHost": {"level": "CRITICAL"}},
}

EMAIL_BACKEND = "kvit.web.login.post.Post"
DEFAULT_FROM_EMAIL = known.load().mail_from
