"""What every trigger of ours asks first."""

import pytest
from django.db import connection


@pytest.mark.django_db
def test_triggers_ask_about_being_ignored_without_a_subtransaction():
    """Migrations bring pgtrigger's own function, with an exception handler in it; ours follows."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT language.lanname FROM pg_proc JOIN pg_language language "
            "ON language.oid = prolang WHERE proname = '_pgtrigger_should_ignore'"
        )
        assert cursor.fetchall() == [("sql",)]
