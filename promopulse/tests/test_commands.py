"""The manners of management commands: streams, exit codes, dry runs."""

import io
import json
import os
import sys

import pytest
from django.core.management.base import CommandError, OutputWrapper
from django.db import OperationalError

from accounts.models import Pool
from promopulse.lib import commands, context
from promopulse.lib.commands import Exit, Outcome
from promopulse.lib.errors import NotFound


class Tried(commands.Command):
    writes = True
    changes_many = True

    def __init__(self, act):
        self.act = act
        super().__init__(stdout=io.StringIO(), stderr=io.StringIO(), no_color=True)

    def run(self, **options):
        return self.act(self, **options)


def run(act, *arguments):
    command = Tried(act)
    parser = command.create_parser("manage.py", "tried")
    options = vars(parser.parse_args(list(arguments)))
    options.pop("args", None)
    code = 0
    try:
        command.handle(**options)
    except CommandError as error:
        code = error.returncode
        command.stderr.write(str(error))
    return code, command.stdout.getvalue(), command.stderr.getvalue()


def counted(command, **options):
    command.say("looking")
    return Outcome({"rows": 3}, ["3 rows"])


def test_words_and_data_keep_apart():
    assert run(counted) == (0, "3 rows\n", "looking\n")
    code, out, err = run(counted, "--json")
    assert (code, json.loads(out), err) == (0, {"rows": 3}, "looking\n")


def test_partly_done_shows_its_data_and_exits_3():
    code, out, err = run(lambda *_, **__: Outcome({}, ["2 of 3"], "1 failed", Exit.PARTLY))
    assert (code, out, err) == (3, "2 of 3\n", "1 failed\n")


def test_a_rule_that_says_no_exits_4():
    def refused(*_, **__):
        raise NotFound("no such promotion")

    assert run(refused) == (4, "", "no such promotion\n")


def test_a_database_that_is_away_is_one_sentence():
    def away(*_, **__):
        raise OperationalError("connection refused")

    assert run(away) == (1, "", "The database does not answer: connection refused\n")


def test_many_rows_want_a_yes():
    def many(command, yes, **options):
        command.confirm("Change 7 rows?", yes=yes)
        return Outcome({"changed": 7})

    code, _, err = run(many)
    assert (code, err) == (4, "Change 7 rows? Give --yes to do it.\n")
    assert run(many, "--yes")[0] == 0


def test_commands_are_actors_of_the_audit_trail():
    seen = []
    run(lambda *_, **__: seen.append(context.actor.get()) or Outcome({}))
    assert seen[0].via == "command"
    assert context.request_id.get().startswith("command-")


def test_a_broken_reader_is_no_failure(monkeypatch):
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w", encoding="utf-8") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        command = Tried(counted)
        command.stdout = OutputWrapper(stdout)
        command._show(Outcome({}, ["x"]), as_json=False)
        stdout.write("what the interpreter flushes at its end")


@pytest.mark.django_db
@pytest.mark.parametrize(("dry_run", "left"), [(True, 0), (False, 1)])
def test_a_dry_run_is_taken_back(dry_run, left):
    with commands.trial(dry_run):
        Pool.objects.create(name="trial")
    assert Pool.objects.count() == left
