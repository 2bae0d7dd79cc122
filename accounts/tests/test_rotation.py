"""Keys are rotated row by row; whatever happens in between, every row stays readable."""

import json
import os
import signal
import subprocess
import sys
import threading
from urllib.parse import urlsplit, urlunsplit

import pytest
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import connection
from fernet_fields.hkdf import derive_fernet_key

from accounts import jobs, rotation
from accounts.models import IdempotencyRecord, User
from accounts.rotation import Column, Keys
from accounts.tests.factories import UserFactory
from promopulse.lib.progress import Walk
from promopulse.tests.commands import run

pytestmark = pytest.mark.django_db

OLD = settings.FERNET_KEYS[0]
NEW = "a-newer-key-for-tests-0123456789"
EMAIL, PHONE = Column("accounts_user", "email"), Column("accounts_user", "phone")


def keys(*names):
    return Keys([derive_fernet_key(name) for name in names])


def opens(*names):
    return MultiFernet([Fernet(derive_fernet_key(name)) for name in names])


def tokens(column):
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id, {column.name} FROM {column.table} "
            f"WHERE {column.name} IS NOT NULL ORDER BY id"
        )
        return {row: bytes(token) for row, token in cursor.fetchall()}


def values(column, *names):
    """What the tokens say; raises InvalidToken for one that these keys do not open."""
    return {row: opens(*names).decrypt(token).decode() for row, token in tokens(column).items()}


def rotate(column, *names):
    return rotation.rotate(column, keys(*names), Walk(str(column), size=None), lambda _rows: None)


def answer(body):
    return IdempotencyRecord.objects.create(
        client="user:1",
        operation="POST /",
        key="k",
        request_hmac=b"h",
        status=200,
        content_type="text/plain",
        body=body,
    )


def test_every_encrypted_column_is_known():
    assert set(rotation.encrypted_columns()) == {
        EMAIL,
        PHONE,
        Column("accounts_idempotencyrecord", "body"),
        Column("accounts_jobinput", "rows"),
    }


def test_tokens_move_to_the_newest_key_and_keep_their_value(monkeypatch):
    monkeypatch.setattr(rotation, "ROWS", 2)
    people = {UserFactory(email=f"p{n}@example.com").pk: f"p{n}@example.com" for n in range(5)}
    tally = rotate(EMAIL, NEW, OLD)
    assert (tally.tokens, tally.old, tally.rotated, tally.unreadable) == (5, 5, 5, [])
    assert values(EMAIL, NEW) == people
    with pytest.raises(InvalidToken):
        values(EMAIL, OLD)
    before = tokens(EMAIL)
    tally = rotate(EMAIL, NEW, OLD)
    assert (tally.old, tally.rotated) == (0, 0)
    assert tokens(EMAIL) == before, "a second run writes nothing"


def test_what_is_not_known_stays_not_known():
    UserFactory(phone=None)
    rotate(PHONE, NEW, OLD)
    assert User.objects.filter(phone__isnull=True).count() == 1


def test_counting_changes_nothing():
    UserFactory()
    before = tokens(EMAIL)
    tally = rotation.count(EMAIL, keys(NEW, OLD))
    assert (tally.tokens, tally.old, tally.rotated) == (1, 1, 0)
    assert tokens(EMAIL) == before


def test_an_edit_in_between_is_kept(monkeypatch):
    """The row is read, then edited, then comes our statement."""
    edited, other = UserFactory(), UserFactory(email="other@example.com")
    replace = rotation._replace

    def late(column, found):
        if edited.email != "new@example.com":
            edited.email = "new@example.com"
            edited.save(update_fields=["email"])
        return replace(column, found)

    monkeypatch.setattr(rotation, "_replace", late)
    tally = rotate(EMAIL, NEW, OLD)
    assert values(EMAIL, NEW) == {edited.pk: "new@example.com", other.pk: "other@example.com"}
    assert tally.rotated == 2


def test_a_value_that_vanishes_in_between_stays_away(monkeypatch):
    person = UserFactory(phone="+4915112345678")
    replace = rotation._replace

    def late(column, found):
        User.objects.filter(pk=person.pk).update(phone=None)
        return replace(column, found)

    monkeypatch.setattr(rotation, "_replace", late)
    assert rotate(PHONE, NEW, OLD).rotated == 0
    assert tokens(PHONE) == {}


@pytest.mark.parametrize(
    "junk",
    [b"junk", b"\xff\x00", Fernet(Fernet.generate_key()).encrypt(b"x")],
    ids=["no token", "no text", "another key's"],
)
def test_a_token_that_no_key_opens_is_named_and_left(junk):
    lost, good = UserFactory(), UserFactory(email="good@example.com")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE accounts_user SET email = %s WHERE id = %s", [junk, lost.pk])
    tally = rotate(EMAIL, NEW, OLD)
    assert (tally.rotated, tally.unreadable) == (1, [lost.pk])
    assert tokens(EMAIL)[lost.pk] == junk
    assert opens(NEW).decrypt(tokens(EMAIL)[good.pk]) == b"good@example.com"


def test_the_command_wants_a_yes_and_tells_what_it_found():
    UserFactory(phone="+1")
    assert run("pii_rotate_keys").code == 4
    done = run("pii_rotate_keys", "--yes")
    assert done.code == 0
    assert [one["old"] for one in done.data["columns"]] == [0] * 4


def test_the_command_ends_partly_when_a_row_is_unreadable():
    lost = UserFactory()
    User.objects.filter(pk=lost.pk).update(phone="+1")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE accounts_user SET phone = %s", [b"junk"])
    for arguments in (["--dry-run"], ["--yes"]):
        done = run("pii_rotate_keys", *arguments)
        assert done.code == 3
        (phone,) = [one for one in done.data["columns"] if one["column"] == str(PHONE)]
        assert phone["unreadable"] == [lost.pk]
        assert "none of FERNET_KEYS" in done.words


# Other keys need another process: the fields keep theirs.


def python(code, *fernet_keys):
    """Run code in a Django of its own on the test database, with these keys."""
    address = urlsplit(os.environ["DATABASE_URL"])
    name = connection.settings_dict["NAME"]
    env = os.environ | {
        "DATABASE_URL": urlunsplit(address._replace(path=f"/{name}")),
        "FERNET_KEYS": ",".join(fernet_keys),
        "DJANGO_SETTINGS_MODULE": "promopulse.settings",
    }
    return subprocess.run(
        [sys.executable, "-c", f"import django; django.setup()\n{code}"],
        cwd=settings.BASE_DIR,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )


def command(name, *arguments):
    return (
        "from django.core.management import call_command\n"
        f"call_command({name!r}, *{list(arguments)!r})"
    )


READ_ALL = """
import json
from accounts.models import IdempotencyRecord, User
print(json.dumps([
    {user.pk: [user.email, user.phone] for user in User.objects.all()},
    [record.body for record in IdempotencyRecord.objects.all()],
]))
"""


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_afterwards_the_old_key_can_be_taken_out():
    person = UserFactory(email="ann@example.com", phone="+4915112345678")
    answer("the answer")
    jobs.start("pool_members", title="One", params={}, rows=[person.pk])
    dry = python(command("pii_rotate_keys", "--dry-run", "--json"), NEW, OLD)
    assert [one["old"] for one in json.loads(dry.stdout)["columns"]] == [1] * 4
    assert "InvalidToken" in python(READ_ALL, NEW).stderr, "not yet"
    done = python(command("pii_rotate_keys", "--yes", "--json"), NEW, OLD)
    assert done.returncode == 0, done.stderr
    assert [one["rotated"] for one in json.loads(done.stdout)["columns"]] == [1] * 4
    read = python(READ_ALL, NEW)
    assert json.loads(read.stdout) == [
        {str(person.pk): ["ann@example.com", "+4915112345678"]},
        ["the answer"],
    ]


@pytest.mark.django_db(transaction=True)
def test_a_writer_with_the_old_keys_is_noticed():
    """A process that was not restarted writes behind our back."""
    code = f"""
from accounts import rotation
rotate = rotation.rotate
def then_somebody_writes(column, *rest):
    done = rotate(column, *rest)
    if column.name == "email":
        from cryptography.fernet import Fernet
        from django.db import connection
        from fernet_fields.hkdf import derive_fernet_key
        token = Fernet(derive_fernet_key({OLD!r})).encrypt(b"late@example.com")
        with connection.cursor() as cursor:
            cursor.execute("UPDATE accounts_user SET email = %s", [token])
    return done
rotation.rotate = then_somebody_writes
from django.core.management import call_command, CommandError
try:
    call_command("pii_rotate_keys", "--yes")
except CommandError as error:
    print(error.returncode, error)
"""
    UserFactory()
    done = python(code, NEW, OLD)
    assert done.stdout.splitlines()[-1].startswith("3 1 value written under an older key")


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_killed_midway_every_row_is_readable_and_a_second_run_ends_it():
    people = User.objects.bulk_create(
        User(
            email=f"person{n}@example.com",
            email_bidx=n.to_bytes(32),
            phone=f"+49{n:08}",
        )
        for n in range(2_000)
    )
    said = {user.pk: (user.email, user.phone) for user in people}
    unreadable = []
    stop = threading.Event()

    def keep_reading():
        try:
            while not stop.is_set():
                emails, phones = values(EMAIL, NEW, OLD), values(PHONE, NEW, OLD)
                if {row: (emails[row], phones[row]) for row in said} != said:
                    unreadable.append("a row says something else")
        except InvalidToken:
            unreadable.append("a row cannot be read")
        finally:
            connection.close()

    reader = threading.Thread(target=keep_reading)
    reader.start()
    try:
        crash = """
import os, signal
from accounts import rotation
replace, calls = rotation._replace, []
def replace_and_die(*arguments):
    calls.append(1)
    if len(calls) == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    return replace(*arguments)
rotation._replace = replace_and_die
"""
        killed = python(crash + command("pii_rotate_keys", "--yes"), NEW, OLD)
        assert killed.returncode == -signal.SIGKILL
        moved = sum(keys(NEW).is_newest(token) for token in tokens(EMAIL).values())
        assert moved == 3 * rotation.ROWS
        done = python(command("pii_rotate_keys", "--yes", "--json"), NEW, OLD)
        assert done.returncode == 0, done.stderr
        first = json.loads(done.stdout)["columns"][0]
        assert (first["old"], first["rotated"]) == (500, 500), "it goes on where it was"
    finally:
        stop.set()
        reader.join()
    assert unreadable == []
    emails, phones = values(EMAIL, NEW), values(PHONE, NEW)
    assert {row: (emails[row], phones[row]) for row in said} == said
