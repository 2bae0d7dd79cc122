"""`manage.py` by hand, where something is missing: a sentence and the right exit code."""

import os
import subprocess
import sys

import pytest
from django.conf import settings

NOBODY = "postgresql://promo:the-password@127.0.0.1:1/promo"


def manage(*arguments, **environ):
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=settings.BASE_DIR,
        env=os.environ | environ,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_command_nobody_knows_is_wrong_usage():
    done = manage("audti")
    assert done.returncode == 2
    assert done.stderr.startswith("Unknown command: 'audti'. Did you mean audit?")


@pytest.mark.slow
@pytest.mark.parametrize("command", ["audit", "doctor", "migrate", "dlq_list"])
def test_a_database_that_is_away_is_one_sentence_with_the_reason(command):
    done = manage(command, DATABASE_URL=NOBODY)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "The database does not answer: " in line
    assert "Connection refused" in line
    assert "the-password" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("DB_POOL_SIZE", "many", "DB_POOL_SIZE must be a whole number, not 'many'."),
        ("DATABASE_URL", "mysq://here", "DATABASE_URL: Scheme 'mysq://' is unknown."),
        ("BROKER_OPTIONS", "[]", "BROKER_OPTIONS is not a JSON object"),
        ("SECRET_KEY", "", "SECRET_KEY is not set."),
    ],
)
def test_a_setting_that_is_wrong_is_named(variable, value, words):
    done = manage("audit", **{variable: value, "PROMOPULSE_HOME": "/nowhere"})
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(words)
