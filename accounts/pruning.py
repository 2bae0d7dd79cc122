"""Dropping what is past its time and serves nobody: stored answers, refresh tokens, sessions."""

from datetime import timedelta
from typing import NamedTuple

from django.conf import settings

from promopulse.lib import sql

FILES_KEPT = timedelta(days=7)


class _Expiring(NamedTuple):
    table: str
    key: str
    is_expired: str


EXPIRING = {
    "idempotency_records": _Expiring(
        "accounts_idempotencyrecord",
        "id",
        "created_at <= clock_timestamp() - %(answers_kept)s::interval",
    ),
    "refresh_tokens": _Expiring("accounts_refreshtoken", "id", "expires_at <= clock_timestamp()"),
    "job_files": _Expiring(
        "accounts_jobfile",
        "id",
        "job_id IN (SELECT id FROM accounts_job"
        " WHERE finished_at <= clock_timestamp() - %(files_kept)s::interval)",
    ),
    "job_input": _Expiring(
        "accounts_jobinput",
        "id",
        "job_id IN (SELECT id FROM accounts_job"
        " WHERE finished_at <= clock_timestamp() - %(files_kept)s::interval)",
    ),
    "sessions": _Expiring("django_session", "session_key", "expire_date <= clock_timestamp()"),
}


def prune_expired() -> dict[str, int]:
    """Delete all of it; gives how many rows of each kind."""
    return {
        name: sql.delete_in_chunks(one.table, one.is_expired, _params(), key=one.key)
        for name, one in EXPIRING.items()
    }


def count_expired() -> dict[str, int]:
    """What `prune_expired` would delete now."""
    return {
        name: int(
            sql.fetch_one(f"SELECT count(*) FROM {one.table} WHERE {one.is_expired}", _params())[0]
        )
        for name, one in EXPIRING.items()
    }


def _params() -> dict[str, object]:
    return {"answers_kept": settings.IDEMPOTENCY_RETENTION, "files_kept": FILES_KEPT}
