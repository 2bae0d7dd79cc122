"""JSON log lines on stderr, each with the request id. Query strings and bodies are never logged."""

import logging.config
from typing import Any

import structlog

from promopulse.lib import context


def add_request_id(_logger: Any, _name: str, event: dict[str, Any]) -> dict[str, Any]:
    if request_id := context.request_id.get():
        event.setdefault("request_id", request_id)
    if request_ids := context.request_ids.get():
        event.setdefault("request_ids", request_ids)
    return event


def drop_task_data(_logger: Any, _name: str, event: dict[str, Any]) -> dict[str, Any]:
    """Celery sends a failed task's arguments and its traceback along, which `exception` has."""
    if str(event.get("logger", "")).startswith("celery."):
        event.pop("data", None)
    return event


_SHARED: list[Any] = [
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.stdlib.ExtraAdder(),
    drop_task_data,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    add_request_id,
]


def configure(options: dict[str, Any]) -> None:
    """Django's LOGGING_CONFIG: `options` is settings.LOGGING, only its level matters."""
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "json": {
                    "()": structlog.stdlib.ProcessorFormatter,
                    "foreign_pre_chain": _SHARED,
                    "processors": [
                        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                        structlog.processors.format_exc_info,
                        structlog.processors.JSONRenderer(),
                    ],
                }
            },
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
            "root": {"handlers": ["stderr"], "level": options.get("level", "INFO")},
            "loggers": {
                # Its lines repeat ours and carry full paths with their query strings.
                "django.request": {"level": "CRITICAL"},
                "django.security.DisallowedHost": {"level": "CRITICAL"},
                "celery.app.trace": {"level": "WARNING"},
                "celery.worker.strategy": {"level": "WARNING"},
                "celery.beat": {"level": "WARNING"},
            },
        }
    )
