"""Health: alive, and ready to take work. Redis and workers may be away, ingest still works."""

import redis
from django.db import DatabaseError, InterfaceError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse

from engagement import doorbell
from engagement.models import Consumption
from promopulse.lib.limits import limited_by_address
from promopulse.lib.redis import client


@limited_by_address("health")
def alive(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "ok"})


@limited_by_address("health")
def ready(request: HttpRequest) -> JsonResponse:
    """503 only for the database or missing migrations; all else is 200 and named `degraded`."""
    parts = _of_database() | {"redis": _redis()}
    if parts["redis"] == "ok":
        parts["workers"] = _workers()
    fatal = parts["database"] != "ok"
    status = "unavailable" if fatal else "ok" if set(parts.values()) == {"ok"} else "degraded"
    response = JsonResponse({"status": status, "parts": parts}, status=503 if fatal else 200)
    if fatal:
        response.headers["Retry-After"] = "5"
    return response


_migrated = False


def _of_database() -> dict[str, str]:
    """The database and what it says; it may go away between two questions."""
    try:
        trouble = _trouble()
        return {"database": trouble} if trouble else {"database": "ok", "consumption": _paused()}
    except (DatabaseError, InterfaceError):
        return {"database": "unreachable"}


def _trouble() -> str:
    global _migrated
    if not _migrated:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            return "migrations are missing"
        _migrated = True
    with connection.cursor() as cursor:
        cursor.execute("SHOW transaction_read_only")
        return "read-only" if cursor.fetchone()[0] == "on" else ""


def _redis() -> str:
    try:
        client().ping()
    except redis.RedisError:
        return "unreachable"
    return "ok"


def _workers() -> str:
    try:
        alive = doorbell.is_worker_alive()
    except redis.RedisError:
        return "unknown"
    return "ok" if alive else f"none seen for {doorbell.HEARTBEAT_SECONDS} s"


def _paused() -> str:
    state = Consumption.objects.filter(pk=1, paused_at__isnull=False).first()
    return f"paused since {state.paused_at:%Y-%m-%dT%H:%M:%SZ}" if state else "ok"
