"""By which text of our migrations a database was made.

Until the first release migrations are edited in place, and Django knows them by name only: a
database made before an edit would look complete and fail later, somewhere. So the fingerprint of
every applied migration is kept with the database, as the comment of Django's own table of them.
"""

import hashlib
import json
import sys
from pathlib import Path

from django.apps import apps
from django.conf import settings
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.loader import MigrationLoader


def edited_since(connection: BaseDatabaseWrapper) -> list[str]:
    """Our applied migrations whose text is another one now, or was never noted."""
    noted = _noted(connection)
    return [name for name, now in _applied(connection).items() if noted.get(name) != now]


def note(connection: BaseDatabaseWrapper) -> None:
    """Keep what the present migrations look like. Only after they were applied."""
    text = json.dumps(_applied(connection))
    with connection.cursor() as cursor:
        cursor.execute("SELECT quote_literal(%s)", [text])
        cursor.execute(f"COMMENT ON TABLE django_migrations IS {cursor.fetchone()[0]}")


def refusal(edited: list[str]) -> str:
    """What to tell people."""
    return (
        f"This database was made by an earlier text of {', '.join(edited)}. Until the first "
        "release tables change without an upgrade: begin with an empty database (make run: stop, "
        f"remove {settings.HOME}) and import again."
    )


def _applied(connection: BaseDatabaseWrapper) -> dict[str, str]:
    loader = MigrationLoader(connection)
    return {
        f"{label}.{name}": _fingerprint(migration.__module__)
        for (label, name), migration in sorted(loader.disk_migrations.items())
        if (label, name) in loader.applied_migrations and _is_ours(label)
    }


def _is_ours(label: str) -> bool:
    module = apps.get_app_config(label).name.partition(".")[0]
    return (settings.BASE_DIR / module / "__init__.py").exists()


def _fingerprint(module: str) -> str:
    file = sys.modules[module].__file__
    assert file is not None
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()[:16]


def _noted(connection: BaseDatabaseWrapper) -> dict[str, str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT obj_description(to_regclass('django_migrations'), 'pg_class')")
        text = cursor.fetchone()[0]
    try:
        noted: dict[str, str] = json.loads(text or "{}")
    except ValueError:  # somebody else's comment
        return {}
    return noted
