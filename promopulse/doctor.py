"""What `manage.py doctor` looks at: each check says how one part is, and what to do about it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

import redis
from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from accounts.models import User
from engagement import doorbell, partitions
from engagement.models import Consumption, DeadLetterEvent, IngestBatch, RetryEvent
from promopulse import origin, workers
from promopulse.lib.redis import client
from promopulse.lib.time import db_now
from promopulse.lib.words import plural

OLDEST_WAITING_SECONDS = 60
CLOCK_SKEW_SECONDS = 2.0
DEMO_ADMIN = "admin@example.com"


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True)
class Finding:
    part: str
    level: Level
    words: str


def ok(part: str, words: str) -> Finding:
    return Finding(part, Level.OK, words)


def warning(part: str, words: str) -> Finding:
    return Finding(part, Level.WARNING, words)


def error(part: str, words: str) -> Finding:
    return Finding(part, Level.ERROR, words)


def database() -> Finding:
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version_num")
        version = int(cursor.fetchone()[0])
        cursor.execute("SELECT current_setting('synchronous_commit'), current_setting('fsync')")
        durable = set(cursor.fetchone()) <= {"on", "local", "remote_write", "remote_apply"}
        cursor.execute("SHOW transaction_read_only")
        read_only = cursor.fetchone()[0] == "on"
    if version < 150000:
        return error("database", f"PostgreSQL {version // 10000}: 15 or newer is needed")
    if read_only:
        return error("database", "it is read-only: nothing is accepted or counted until it is not")
    if not durable:
        return warning("database", "fsync or synchronous_commit is off: a crash can lose events")
    return ok("database", f"PostgreSQL {version // 10000}.{version % 10000}")


def migrations() -> Finding:
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        return error("migrations", f"{len(missing)} missing: run `manage.py migrate`")
    if edited := origin.edited_since(connection):
        return error("migrations", origin.refusal(edited))
    return ok("migrations", "all applied")


def clock() -> Finding:
    skew = abs((datetime.now(UTC) - db_now()).total_seconds())
    if skew > CLOCK_SKEW_SECONDS:
        return warning("clock", f"this host and the database are {skew:.1f} s apart")
    return ok("clock", f"{skew:.3f} s from the database's")


def redis_server() -> Finding:
    try:
        info = client().info()
        policy = client().config_get("maxmemory-policy").get("maxmemory-policy", "?")
    except redis.RedisError as problem:
        return error("redis", f"{type(problem).__name__}: events wait until it is back")
    if policy not in ("noeviction", "?"):
        return warning("redis", f"maxmemory-policy is {policy}: messages could be evicted")
    return ok("redis", f"version {info['redis_version']}")


def working() -> Finding:
    try:
        if not workers.can_be_asked():
            return _worked_lately()
        count = workers.answering(timeout=1.0)
    except Exception as problem:
        return error("workers", f"the broker does not answer: {type(problem).__name__}")
    if not count:
        return error("workers", "none answers: events wait until one runs")
    return ok("workers", f"{count} alive")


def _worked_lately() -> Finding:
    lately = f"in the last {doorbell.HEARTBEAT_SECONDS} s"
    if not doorbell.is_worker_alive():
        return error("workers", f"none worked {lately}: events wait until one runs")
    return ok("workers", f"at least one worked {lately}; over this broker none can be asked")


def inbox() -> Finding:
    now = db_now()
    # A replay at a rate is received when it is due: until then it keeps nobody waiting.
    waiting = IngestBatch.objects.filter(processed_at=None, received_at__lte=now)
    oldest = waiting.order_by("id").first()
    if oldest is None:
        return ok("inbox", "empty")
    age = (now - oldest.received_at).total_seconds()
    words = f"{waiting[:10_001].count()} requests wait, the oldest for {age:.0f} s"
    return warning("inbox", words) if age > OLDEST_WAITING_SECONDS else ok("inbox", words)


def consumption() -> Finding:
    state = Consumption.objects.filter(pk=1, paused_at__isnull=False).first()
    if state is None:
        return ok("consumption", "running")
    return error(
        "consumption",
        f"paused since {state.paused_at:%Y-%m-%d %H:%M:%S} UTC, most events fail with "
        f"{state.fingerprint!r}: mend it; it resumes by itself",
    )


def undelivered() -> Finding:
    retrying = RetryEvent.objects.count()
    dead = DeadLetterEvent.objects.filter(state=DeadLetterEvent.State.OPEN).count()
    words = f"{plural(retrying, 'event')} retrying, {plural(dead, 'dead letter')} open"
    return warning("events", words) if dead else ok("events", words)


def months() -> Finding:
    following = partitions.month_after(db_now().date(), 1)
    if following not in partitions.existing():
        return warning(
            "months",
            f"no partition for {following:%Y-%m}: is beat running? `manage.py migrate` makes it; "
            "else the first event of the month does, and waits for it",
        )
    return ok("months", f"made ahead, {following:%Y-%m} is there")


def configuration() -> Finding:
    faults = []
    if settings.DEBUG:
        faults.append("DEBUG is on")
    if not settings.RATE_LIMITS_ON:
        faults.append("RATE_LIMITS is off")
    if not settings.HTTPS:
        faults.append("HTTPS is off: cookies and redirects do not insist on it")
    admin = User.objects.by_email(DEMO_ADMIN)
    if admin is not None and admin.is_active:
        faults.append(f"the demo account {DEMO_ADMIN} is active")
    if faults:
        return warning("configuration", "; ".join(faults))
    return ok("configuration", "fit for production")


CHECKS: list[Callable[[], Finding]] = [
    database,
    migrations,
    clock,
    redis_server,
    working,
    inbox,
    consumption,
    undelivered,
    months,
    configuration,
]
