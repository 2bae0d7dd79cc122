"""The `dlq_` commands: what they do, say and exit with."""

import threading
import time
from io import StringIO

import pytest
from django.core.management import call_command, load_command_class
from django.db import connection

from accounts.models import AuditEntry
from engagement import processing
from engagement.models import Consumption, DeadLetterEvent
from engagement.tests.factories import event, send_and_process
from engagement.tests.letters import (
    activate,
    counted,
    draft_letters,
    promotion_of,
    states,
    trail,
    violations,
)
from promopulse.lib.time import db_now
from promopulse.tests.commands import run
from subscriptions.tests.factories import SubscriptionFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def worker():
    """Drains the inbox in the background, as a Celery worker does."""
    stopped = threading.Event()

    def work():
        while not stopped.wait(0.05):
            processing.drain()
        connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    yield
    stopped.set()
    thread.join()


@pytest.fixture
def at_a_terminal(monkeypatch):
    """Somebody who answers the question."""

    def answer(word):
        monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
        monkeypatch.setattr("builtins.input", lambda: word)

    return answer


def said(name, *arguments):
    out = StringIO()
    call_command(name, *map(str, arguments), stdout=out, stderr=StringIO(), no_color=True)
    return out.getvalue()


def test_replay_from_the_shell(worker):
    sent = draft_letters(50)
    activate(sent)
    dry = run("dlq_replay", "--cause", "promotion_not_active", "--dry-run")
    assert (dry.code, dry.data["count"], dry.data["dry_run"]) == (0, 50, True)
    assert states() == {"open": 50}
    sample = run("dlq_replay", "--promotion", promotion_of(sent), "--sample", 5, "--yes", "--wait")
    assert sample.code == 0
    assert sample.data["became"] == {
        "counted": 5,
        "already_counted": 0,
        "refused_again": 0,
        "waiting": 0,
    }
    rest = run("dlq_replay", "--yes", "--wait", "--reason", "Active now")
    assert (rest.code, rest.data["became"]["counted"]) == (0, 45)
    assert (states(), counted()) == ({"resolved": 50}, 50)
    again = run("dlq_replay", "--yes", "--wait")
    assert (again.code, again.data["count"]) == (0, 0)
    assert "nothing to replay" in again.words
    assert counted() == 50
    assert violations() == {}
    entry = AuditEntry.objects.filter(action="dead_letter.replay").last()
    assert (entry.via, entry.reason) == ("command", "Active now")


def test_some_dead_again_is_partly(worker):
    draft_letters(2)
    activate(draft_letters(1))
    done = run("dlq_replay", "--yes", "--wait")
    assert done.code == 3
    assert (done.data["became"]["counted"], done.data["became"]["refused_again"]) == (1, 2)
    assert "2 are dead again" in done.words


def test_counted_before_is_told(worker):
    sent = draft_letters(1)
    activate(sent)
    run("dlq_discard", "--reason", "x", "--yes")
    send_and_process(*sent)
    run("dlq_restore", "--yes")
    assert "counted since from another sending" in said("dlq_replay", "--dry-run")
    done = run("dlq_replay", "--yes", "--wait")
    assert (done.code, done.data["became"]["already_counted"]) == (0, 1)


def test_without_a_worker_it_does_not_wait_for_ever():
    draft_letters(1)
    now = db_now()
    Consumption.objects.create(paused_at=now, probe_at=now)
    started = time.monotonic()
    done = run("dlq_replay", "--yes", "--wait", "--timeout", 0.1)
    assert time.monotonic() - started < 30
    assert (done.code, done.data["became"]["waiting"]) == (3, 1)
    assert "1 still wait. Consumption is paused" in done.words


DONE = {
    "dlq_replay": "sent to be counted",
    "dlq_discard": "discarded",
    "dlq_restore": "restored",
}


@pytest.mark.parametrize("command", DONE)
def test_many_rows_need_a_yes(command, at_a_terminal):
    draft_letters(2)
    reason = ["--reason", "Why"]
    if command == "dlq_restore":
        run("dlq_discard", "--yes", *reason)
    before, told = states(), trail()
    assert run(command, *reason).code == 4
    at_a_terminal("n")
    assert run(command, *reason).code == 4
    assert (states(), trail()) == (before, told)
    looked = run(command, *reason, "--dry-run")
    assert (looked.code, looked.words) == (0, "")
    assert (states(), trail()) == (before, told)
    at_a_terminal("y")
    done = run(command, *reason)
    assert (done.code, done.data["count"]) == (0, 2)
    assert f"2 letters {DONE[command]}." in done.words
    assert states() != before
    assert run(command, *reason).code == 0, "again: nothing to do, nothing to ask"


def test_what_is_done_is_what_was_confirmed(at_a_terminal, monkeypatch):
    draft_letters(1)
    at_a_terminal("y")

    def answer_late():
        draft_letters(1)
        return "y"

    monkeypatch.setattr("builtins.input", answer_late)
    done = run("dlq_replay")
    assert done.code == 4
    assert "The plan changed" in done.words
    assert states() == {"open": 2}


def test_discard_and_restore_by_id():
    draft_letters(2)
    first = DeadLetterEvent.objects.order_by("pk").first()
    done = run("dlq_discard", first.pk, 999_999, "--reason", "No use", "--yes")
    assert (done.code, done.data["count"], done.data["left_out"]) == (0, 1, 1)
    assert states() == {"discarded": 1, "open": 1}
    assert run("dlq_discard", first.pk, "--reason", " ", "--yes").code == 0, "nothing to do"
    assert run("dlq_discard", "--reason", " ", "--yes").code == 4
    assert run("dlq_restore", first.pk, "--yes").data["count"] == 1
    assert states() == {"open": 2}
    assert [action for action, *_ in trail()] == ["dead_letter.discard", "dead_letter.restore"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("dlq_replay", "1", "--cause", "unknown_user"),
        ("dlq_replay", "--cause", "bad_luck"),
        ("dlq_replay", "--sample", "0"),
        ("dlq_replay", "--rate", "-1"),
        ("dlq_replay", "x"),
        ("dlq_replay", "--since", "yesterday"),
        ("dlq_replay", "--since", "2026-06-01T00:00:00"),
        ("dlq_discard", "--yes"),
        ("dlq_list", "--group-by", "mood"),
        ("dlq_show",),
    ],
)
def test_usage(arguments):
    draft_letters(1)
    name, *rest = arguments
    command = load_command_class("engagement", name)
    with pytest.raises(SystemExit) as ended:
        command.run_from_argv(["manage.py", name, *rest])
    assert ended.value.code == 2
    assert states() == {"open": 1}


def test_list_and_counts():
    sent = draft_letters(3)
    send_and_process(event(subscription_id=SubscriptionFactory().pk, user_id=10**9, type="CLICK"))
    listed = run("dlq_list", "--limit", 2).data
    assert (len(listed["letters"]), listed["more"]) == (2, True)
    assert listed["letters"][0]["cause"] == "subscription_mismatch"
    assert "payload" not in listed["letters"][0]

    def groups(by, *more):
        return run("dlq_list", "--group-by", by, *more).data["groups"]

    assert [(row["cause"], row["count"]) for row in groups("cause")] == [
        ("promotion_not_active", 3),
        ("subscription_mismatch", 1),
    ]
    assert [(row["type"], row["count"]) for row in groups("type")] == [("VIEW", 3), ("CLICK", 1)]
    assert groups("promotion")[0]["promotion_id"] == promotion_of(sent)
    first = groups("fingerprint")[0]
    assert first["fingerprint"] == f"promotion_not_active:{promotion_of(sent)}"
    assert first["remedy"] == "Activate the promotion, then replay."
    assert groups("cause", "--state", "discarded") == []
    run("dlq_discard", "--type", "CLICK", "--reason", "x", "--yes")
    assert len(groups("cause")) == 1
    assert len(groups("cause", "--state", "all")) == 2
    assert len(groups("cause", "--since", "2099-01-01T00:00Z")) == 0
    words = said("dlq_list", "--group-by", "fingerprint")
    assert words.splitlines()[0].split() == ["3", first["fingerprint"]]
    assert "The promotion was never activated." in words
    assert sent[0]["event_id"] in said("dlq_list")
    assert run("dlq_list", "--state", "resolved").words.strip() == "There are none."


def test_show_by_either_id():
    sent = event(
        subscription_id=SubscriptionFactory().pk,
        user_id=10**9,
        event_id="6BA7B810-9DAD-11D1-80B4-00C04FD430C8",
        metadata={"email": "wren@aviary.example", "note": "+49 151 7766 5544", "n": 1},
    )
    send_and_process(sent)
    letter = DeadLetterEvent.objects.get()
    for key in (letter.pk, sent["event_id"], letter.event_id):
        shown = run("dlq_show", key).data
        assert shown["id"] == letter.pk
        assert shown["event"]["metadata"] == {"email": "(hidden)", "note": "***44", "n": 1}
    words = said("dlq_show", letter.pk)
    assert "belongs to another user" in words
    assert "attempt 1:" in words
    assert "aviary" not in words
    assert run("dlq_show", "e-none").code == 1
