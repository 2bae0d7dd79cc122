"""`import_users`: new ones in bulk, known ones kept, bad rows told without their data."""

import gzip
import io
from types import SimpleNamespace

import pytest

from accounts import importing
from accounts.models import AuditEntry, User
from accounts.tests.factories import UserFactory
from promopulse.tests.commands import bad_rows, ndjson, run

pytestmark = pytest.mark.django_db
CSV = """id,email,gender,age,joined
1,Ann@Shop.example,F,55,2017-07-15
2,,,,2018-07-12
3,carl@shop.example,M,,
"""


@pytest.fixture
def people(tmp_path):
    path = tmp_path / "people.csv"
    path.write_text(CSV)
    return path


def test_users_are_made_with_everything_a_row_says(people):
    done = run("import_users", people, "--source", "shop")
    assert done == (0, {"rows": 3, "created": 3, "updated": 0, "unchanged": 0, "failed": 0}, "")
    ann, two, carl = User.objects.order_by("id")
    assert User.objects.by_email("ann@shop.example") == ann
    assert (ann.email, ann.source_id, ann.role) == ("Ann@Shop.example", "shop:1", "customer")
    assert ann.metadata == {"gender": "F", "age": "55", "joined": "2017-07-15"}
    assert (two.email, two.email_bidx, two.source_id) == (None, None, "shop:2")
    assert carl.metadata == {"gender": "M"}
    assert not ann.has_usable_password()
    entries = AuditEntry.objects.filter(action="user.create", via="command")
    assert {entry.object_id for entry in entries} == {ann.pk, two.pk, carl.pk}
    assert "ann" not in str(list(entries.values())).lower()


def test_again_changes_nothing(people):
    run("import_users", people, "--source", "shop")
    rows = list(User.objects.order_by("id").values())
    done = run("import_users", people, "--source", "shop")
    assert done.data == {"rows": 3, "created": 0, "updated": 0, "unchanged": 3, "failed": 0}
    assert list(User.objects.order_by("id").values()) == rows
    assert AuditEntry.objects.count() == 3


def test_a_known_user_gets_what_is_new_and_keeps_the_rest(people, tmp_path):
    known = UserFactory(email="ann@shop.example", name="Ann", phone="+49 1", metadata={"vip": 1})
    assert run("import_users", people, "--source", "shop").data["updated"] == 1
    known.refresh_from_db()
    assert (known.source_id, known.name, known.phone) == ("shop:1", "Ann", "+49 1")
    assert known.metadata["vip"] == 1
    assert known.metadata["age"] == "55"
    rows = ndjson(tmp_path / "new.ndjson", [{"id": 1, "phone": "+49 2", "vip": 2}])
    assert run("import_users", rows, "--source", "shop").data["updated"] == 1
    known.refresh_from_db()
    assert (known.phone, known.metadata["vip"]) == ("+49 2", 2)
    assert AuditEntry.objects.filter(action="user.update").count() == 2


def test_without_a_source_people_are_known_by_email_or_source_id(tmp_path):
    rows = [
        {"id": 9, "email": "a@b.example", "first_name": "Ann", "last_name": "Bee"},
        {"source_id": "crm-7", "name": "Carl"},
        {"email": "A@B.example"},
    ]
    done = run("import_users", ndjson(tmp_path / "rows", rows))
    assert done.data == {"rows": 3, "created": 2, "updated": 0, "unchanged": 1, "failed": 0}
    ann, carl = User.objects.order_by("id")
    assert (ann.name, ann.source_id, ann.metadata) == ("Ann Bee", None, {"id": 9})
    assert (carl.name, carl.source_id, carl.email) == ("Carl", "crm-7", None)


def test_bad_rows_are_told_and_the_good_ones_kept(tmp_path):
    UserFactory(email="boss@shop.example", role="admin", name="Boss")
    UserFactory(email="taken@shop.example", source_id="other:1")
    rows = [
        {"id": 1, "email": "secret-but-broken"},
        {"id": 2, "phone": "secret"},
        {"name": "Secret Nobody"},
        {"id": 3, "role": "admin"},
        {"id": 4, "email": "boss@shop.example", "name": "Secret"},
        {"id": 5, "email": "taken@shop.example"},
        {"id": 6, "note": "x" * 5_000},
        {"id": "x" * 128},
        {"id": 7, "email": ["secret@shop.example"]},
        {"id": 8, "email": "fine@shop.example"},
        {"id": 9, "email": "fine@shop.example"},
        {"id": 10, "metadata": "secret"},
    ]
    report = tmp_path / "bad.ndjson"
    done = run("import_users", ndjson(tmp_path / "r", rows), "--source", "shop", "--report", report)
    assert done.code == 3
    assert done.data == {"rows": 12, "created": 1, "updated": 0, "unchanged": 0, "failed": 11}
    assert sorted(bad_rows(report)) == [
        (1, "invalid"),
        (2, "invalid"),
        (3, "required"),
        (4, "permission_denied"),
        (5, "permission_denied"),
        (6, "email_taken"),
        (7, "max_length"),
        (8, "max_length"),
        (9, "invalid"),
        (11, "email_taken"),
        (12, "not_an_object"),
    ]
    assert "secret" not in (report.read_text() + done.words).lower()
    assert User.objects.get(role="admin").name == "Boss"


@pytest.mark.parametrize("reported", [True, False])
def test_the_first_bad_rows_are_told_with_and_without_a_report(tmp_path, reported):
    report = tmp_path / "bad"
    more = ("--report", report) if reported else ()
    done = run("import_users", ndjson(tmp_path / "rows", [{"phone": "x"}] * 7), *more)
    assert done.code == 1
    assert done.words.count("line ") == 5
    assert (str(report) if reported else "--report FILE") + " lists all of them" in done.words
    assert done.words.endswith("No row could be imported.")


def test_a_dry_run_tells_and_keeps_nothing(people):
    done = run("import_users", people, "--source", "shop", "--dry-run")
    assert done.data["created"] == 3
    assert "nothing was changed" in done.words
    assert not User.objects.exists()
    assert not AuditEntry.objects.exists()


def test_from_a_pipe_and_with_renamed_columns(monkeypatch):
    pipe = io.BufferedReader(io.BytesIO(gzip.compress(CSV.replace("email", "mail").encode())))
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=pipe, isatty=lambda: False))
    done = run("import_users", "-", "--map", "mail=email")
    assert done.data["created"] == 2
    assert done.code == 3
    assert User.objects.by_email("ann@shop.example")


def test_one_row_that_loses_a_race_does_not_sink_its_batch(people, monkeypatch):
    """Somebody takes an e-mail between the look and the insert."""
    look = importing._known

    def late(rows):
        found = look(rows)
        UserFactory(email="carl@shop.example")
        return found

    monkeypatch.setattr(importing, "_known", late)
    done = run("import_users", people, "--source", "shop")
    assert done.data == {"rows": 3, "created": 2, "updated": 0, "unchanged": 0, "failed": 1}
    assert "email_taken" in done.words


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nothing.csv"], 1, "is no file that can be read"),
        (["."], 1, "is no file that can be read"),
        (["{people}", "--report", "no/such/folder"], 1, "cannot be written"),
        (["{people}", "--report", "{people}"], 2, "would overwrite FILE"),
        (["{people}", "--source", "a:b"], 1, "letters"),
        (["{people}", "--map", "a"], 1, "OLD=NEW"),
    ],
)
def test_what_cannot_start(people, arguments, code, words):
    done = run("import_users", *(text.format(people=people) for text in arguments))
    assert (done.code, done.data) == (code, None)
    assert words in done.words
    assert people.read_text() == CSV
    assert not User.objects.exists()


def test_progress_without_a_terminal_is_plain_lines(people, monkeypatch):
    monkeypatch.setattr("promopulse.lib.progress._SECONDS_BETWEEN_LINES", 0)
    words = run("import_users", people, "--source", "shop").words
    assert words == "people.csv: 3 rows (100 %)\n"


def test_progress_at_a_terminal_is_a_bar(people, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stderr", terminal := Terminal())
    run("import_users", people, "--source", "shop")
    assert "people.csv" in terminal.getvalue()
    assert "100%" in terminal.getvalue()
