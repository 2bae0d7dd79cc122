"""Why the database cannot be reached: the pool says only that it waited in vain."""

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections


def why_it_is_away(error: BaseException, using: str = DEFAULT_DB_ALIAS) -> str:
    """What a connection of its own is told, in one line; else what `error` says."""
    parameters = connections[using].get_connection_params()
    try:
        psycopg.connect(**parameters).close()
    except psycopg.Error as reason:
        error = reason
    return " ".join(str(error).split())
