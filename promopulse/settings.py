"""Every setting, fed by the environment; `.env.example` names the variables and their defaults."""

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import dj_database_url
from corsheaders.defaults import default_headers
from django.core.exceptions import ImproperlyConfigured
from whitenoise.compress import Compressor

from promopulse import environment
from promopulse.lib import brokers
from promopulse.tags import TAGS

environment.load()

BASE_DIR = Path(__file__).resolve().parent.parent
HOME = environment.home()


def env_list(name: str, default: str = "") -> list[str]:
    return [part.strip() for part in os.environ.get(name, default).split(",") if part.strip()]


def env_flag(name: str, default: bool) -> bool:
    return os.environ.get(name, str(default)).strip().lower() in {"1", "true", "yes", "on"}


def env_int(name: str, default: int) -> int:
    text = os.environ.get(name) or str(default)
    if not text.isdecimal():
        raise ImproperlyConfigured(f"{name} must be a whole number, not {text!r}.")
    return int(text)


def env_needed(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise ImproperlyConfigured(
            f"{name} is not set. Start an instance (`make run`), which notes it in PROMOPULSE_HOME "
            f"({HOME}), or set it."
        )
    return value


# Secrets. Each has one purpose, so that one can be changed without the others.
SECRET_KEY = env_needed("SECRET_KEY")
FERNET_KEYS = env_list("FERNET_KEYS")  # newest first; older ones only read
BLIND_INDEX_KEY = env_needed("BLIND_INDEX_KEY")
JWT_SIGNING_KEY = env_needed("JWT_SIGNING_KEY")
IDEMPOTENCY_KEY_SECRET = env_needed("IDEMPOTENCY_KEY_SECRET")

DEBUG = env_flag("DEBUG", False)
HTTPS = env_flag("HTTPS", False)
ALLOWED_HOSTS = env_list("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
CSRF_TRUSTED_ORIGINS = env_list("CSRF_TRUSTED_ORIGINS")
CORS_ALLOWED_ORIGINS = env_list("CORS_ALLOWED_ORIGINS")
CORS_URLS_REGEX = r"^/api/"
CORS_ALLOW_HEADERS = [*default_headers, "idempotency-key", "x-request-id"]
CORS_EXPOSE_HEADERS = [
    "X-Request-ID",
    "Idempotent-Replayed",
    "Retry-After",
    "RateLimit-Limit",
    "RateLimit-Remaining",
    "RateLimit-Reset",
]

# Seconds until a process writes the refusals of discounts it has added up; 0 leaves it to `write`.
REFUSALS_WRITTEN_AFTER = 5.0

# Rate limits by name: "10/minute". RATE_LIMIT_LOGIN=20/minute in the environment changes one.
RATE_LIMITS_ON = env_flag("RATE_LIMITS", True)
RATE_LIMITS = {
    name: os.environ.get(f"RATE_LIMIT_{name.upper()}") or rate
    for name, rate in {
        "health": "100/minute",  # per address
        "login": "10/minute",  # per address and account
        "login_address": "100/minute",  # per address, whatever the account
        "register": "60/minute",  # per address
        "available": "60/minute",  # per person
        "apply": "30/minute",  # per person
        "coupon_lookup": "20/minute",  # looks at codes that fail, per person and per address
        "api_key": "6000/minute",  # per API key, where people have one of the two above
    }.items()
}
# Lets a scraper of another machine read /metrics; needed behind a proxy.
METRICS_TOKEN = os.environ.get("METRICS_TOKEN", "")
# Proxies in front that add to X-Forwarded-For; 0: the header is not believed.
TRUSTED_PROXIES = env_int("TRUSTED_PROXIES", 0)

INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",  # the theme, without a site of its own
    "promopulse.apps.ConsoleConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.staticfiles",
    "pgtrigger",
    "corsheaders",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "promopulse",
    "accounts",
    "promotions",
    "promotions.discounts",
    "promotions.coupons",
    "subscriptions",
    "engagement",
]

MIDDLEWARE = [
    "promopulse.middleware.RequestContext",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "promopulse.middleware.AdminActor",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "promopulse.urls"
WSGI_APPLICATION = "promopulse.wsgi.application"
APPEND_SLASH = False  # a final slash is optional and never redirects: RequestContext drops it

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# Database. psycopg's own pool, one per process; DB_POOL_SIZE connections are kept,
# DB_MAX_OVERFLOW more are opened under load, each is closed after DB_POOL_RECYCLE seconds.
DB_POOL_SIZE = env_int("DB_POOL_SIZE", 2)
try:
    _database: dict[str, Any] = {**dj_database_url.parse(env_needed("DATABASE_URL"))}
except ValueError as error:
    raise ImproperlyConfigured(f"DATABASE_URL: {error}") from None
DATABASES = {
    "default": _database
    | {
        "ENGINE": "promopulse.lib.postgresql",
        "CONN_MAX_AGE": 0,
        "CONN_HEALTH_CHECKS": env_flag("DB_POOL_PRE_PING", True),
        "OPTIONS": {
            **_database.get("OPTIONS", {}),
            "pool": {
                "min_size": DB_POOL_SIZE,
                "max_size": DB_POOL_SIZE + env_int("DB_MAX_OVERFLOW", 8),
                "max_lifetime": env_int("DB_POOL_RECYCLE", 1800),
                "timeout": 5,
            },
            "connect_timeout": 5,
            # The statements here are short: compiling them costs more than running them. Times are
            # read as text where that is cheaper.
            "options": "-c jit=off -c datestyle=ISO",
            "application_name": "promopulse",
        },
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Redis: doorbell marks, rate limits, and the broker unless another is named (docs/brokers.md).
# Never the only place a fact is in.
REDIS_URL = env_needed("REDIS_URL")
_broker = brokers.from_environment(os.environ)
CELERY_BROKER_URL = _broker.url
CELERY_BROKER_TRANSPORT_OPTIONS = _broker.options
CELERY_BROKER_TRANSPORT = _broker.transport
os.environ.pop("CELERY_BROKER_URL", None)  # Celery would believe it before the setting

CELERY_TASK_DEFAULT_QUEUE = "celery"
CELERY_TASK_ROUTES = {"engagement.*": {"queue": "events"}}
CELERY_TASK_IGNORE_RESULT = True  # outcomes are rows
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_TIME_LIMIT = 300
CELERY_TASK_SOFT_TIME_LIMIT = 240
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_CHANNEL_ERROR_RETRY = True  # a full Redis refuses commands: that passes, too
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 10
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_MAX_MEMORY_PER_CHILD = 180_000  # KiB
CELERY_TIMEZONE = "UTC"

# People and their sessions.
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["accounts.backends.EmailBackend"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.BCryptSHA256PasswordHasher"]  # cost 12
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 8},
    }
]
LOGIN_URL = "/admin/login/"
LOGIN_REDIRECT_URL = "/admin/"
CSRF_FAILURE_VIEW = "promopulse.pages.forged"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SILENCED_SYSTEM_CHECKS = [
    "auth.W004",  # e-mail is unique through its blind index
]
ACCESS_TOKEN_LIFETIME = timedelta(minutes=30)
SIMPLE_JWT = {
    "ALGORITHM": "HS256",
    "SIGNING_KEY": JWT_SIGNING_KEY,
    "ACCESS_TOKEN_LIFETIME": ACCESS_TOKEN_LIFETIME,
    "UPDATE_LAST_LOGIN": False,
}
REFRESH_TOKEN_LIFETIME = timedelta(days=14)
IDEMPOTENCY_RETENTION = timedelta(hours=48)

# Headers that Django itself sends; the rest are in promopulse.middleware.
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^health", r"^metrics"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

# Request bodies.
MAX_BODY_BYTES = 10 * 1024 * 1024
DATA_UPLOAD_MAX_MEMORY_SIZE = MAX_BODY_BYTES

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.api.authentication.BearerAuthentication",
        "accounts.api.authentication.ApiKeyAuthentication",
        "accounts.api.authentication.BrowserAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["accounts.api.permissions.ByTable"],
    "DEFAULT_PARSER_CLASSES": [
        "promopulse.lib.parsing.StrictJSONParser",
        "rest_framework.parsers.FormParser",
        "rest_framework.parsers.MultiPartParser",
    ],
    "DEFAULT_RENDERER_CLASSES": [
        "rest_framework.renderers.JSONRenderer",
        "accounts.api.browsable.Pages",
    ],
    "DEFAULT_METADATA_CLASS": "accounts.api.browsable.Metadata",
    "DEFAULT_PAGINATION_CLASS": "promopulse.lib.pagination.LimitOffset",
    "DEFAULT_SCHEMA_CLASS": "accounts.api.schema.ApiSchema",
    "EXCEPTION_HANDLER": "promopulse.lib.problems.exception_handler",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
    "STRICT_JSON": True,
    "UNICODE_JSON": True,
}

SPECTACULAR_SETTINGS = {
    "TITLE": "PromoPulse",
    "VERSION": "1.0.0",
    "DESCRIPTION": (
        "Campaigns that people subscribe to and react to, counted exactly. Errors are problem "
        "documents (RFC 9457) with a stable `code`; every POST that changes something takes an "
        "`Idempotency-Key`."
    ),
    "TAGS": TAGS,
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "PromotionStatus": "promotions.states.Status",
        "EffectiveStatus": "promotions.states.EffectiveStatus",
        "CouponState": "promotions.coupons.states.State",
    },
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "engagement.api.schema.add_ingest",
        "accounts.api.schema.add_problems",
    ],
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
}

# The ingest path (DESIGN 4.1 words: inbox, doorbell, lease).
# So many new events of one subscription (user and promotion where there is none) in any so many
# seconds; keys with the scope events:bulk are exempt.
INGEST_WINDOW_LIMIT = env_int("INGEST_WINDOW_LIMIT", 100)
INGEST_WINDOW_SECONDS = env_int("INGEST_WINDOW_SECONDS", 60)
PROCESSING_TIMEOUT = timedelta(seconds=env_int("PROCESSING_TIMEOUT_SECONDS", 10))
INBOX_LEASE = PROCESSING_TIMEOUT + timedelta(seconds=5)  # whoever works on rows still has them
BREAKER_PROBE_AFTER = timedelta(seconds=30)
INBOX_EVENTS_PER_TRANSACTION = 10_000
INBOX_ROWS_PER_TRANSACTION = 400
DOORBELL_LIFETIME = timedelta(seconds=5)
RETRY_SCHEDULE = [
    timedelta(seconds=int(seconds))
    for seconds in env_list("RETRY_SCHEDULE_SECONDS", "5,30,120,600,3600,21600")
]

# What `manage.py prune` keeps unless it is told otherwise; 0 keeps all.
PRUNE_EVENTS_MONTHS = env_int("PRUNE_EVENTS_MONTHS", 24)
PRUNE_DAYS = env_int("PRUNE_DAYS", 90)  # processed batches and settled letters

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False
FORMAT_MODULE_PATH = "promopulse.formats"

STATIC_URL = "static/"
STATIC_ROOT = HOME / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = DEBUG
# Only hashed names are served; source maps (two thirds of all bytes) are not worth compressing.
WHITENOISE_KEEP_ONLY_HASHED_FILES = True
WHITENOISE_SKIP_COMPRESS_EXTENSIONS = [*Compressor.SKIP_COMPRESS_EXTENSIONS, "map"]

LOGGING_CONFIG = "promopulse.lib.logs.configure"
LOGGING = {"level": os.environ.get("LOG_LEVEL", "INFO")}

DEMO = env_flag("DEMO", False)

# Shown on every page of the admin: which installation this is.
ENVIRONMENT_LABEL = os.environ.get("ENVIRONMENT_LABEL") or ("Demo" if DEMO else "")

UNFOLD = {
    "SITE_TITLE": "PromoPulse",
    "SITE_HEADER": "PromoPulse",
    "SITE_ICON": "promopulse.console.navigation.icon",
    "SITE_FAVICONS": [{"rel": "icon", "href": "promopulse.console.navigation.icon"}],
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "ENVIRONMENT": "promopulse.console.navigation.environment",
    "DASHBOARD_CALLBACK": "promopulse.console.dashboard.add",
    "LOGIN": {"form": "accounts.forms.LoginForm"},
    "STYLES": ["promopulse.console.navigation.styles"],
    "SCRIPTS": ["promopulse.console.navigation.script"],
    "SIDEBAR": {"navigation": "promopulse.console.navigation.sidebar"},
    "COLORS": {
        "primary": {
            "50": "#f5f3ff",
            "100": "#ede9fe",
            "200": "#ddd6fe",
            "300": "#c4b5fd",
            "400": "#b79bff",
            "500": "#a78bfa",
            "600": "#6d28d9",
            "700": "#5b21b6",
            "800": "#4c1d95",
            "900": "#3b1578",
            "950": "#2a0f5a",
        },
    },
}
