"""`import_events`: each event once, ids through the source, both doors."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import repeat

import pytest

from accounts.keys import create_key
from accounts.models import User
from accounts.roles import Scope
from accounts.tests.factories import UserFactory
from engagement import importing
from engagement.management.commands import import_events
from engagement.models import DeadLetterEvent, Event, IngestBatch
from engagement.senders import HttpSender
from engagement.stats import read_stats
from promopulse.lib.importing.command import Broken
from promopulse.tests.commands import bad_rows, ndjson, run
from promotions.models import Promotion
from promotions.tests.factories import ActivePromotionFactory, PromotionFactory
from subscriptions.tests.factories import SubscriptionFactory

AT = "2026-05-03T10:00:00Z"
MAY = {"start_at": "2026-05-01T00:00:00Z", "end_at": "2026-06-01T00:00:00Z"}


@pytest.fixture
def world(db):
    for number in (1, 2):
        UserFactory(source_id=f"shop:{number}")
        ActivePromotionFactory(source_id=f"shop:{number}", **MAY)


def rows():
    return [
        {"event_id": "a", "customer_id": 1, "promotion_id": 1, "type": "VIEW", "occurred_at": AT},
        {"event_id": "b", "customer_id": 2, "promotion_id": 1, "type": "VIEW", "occurred_at": AT},
        {
            "event_id": "c",
            "customer_id": 1,
            "promotion_id": 1,
            "type": "REDEEM",
            "occurred_at": AT,
            "amount": "19.90",
            "discount": "2.00",
            "source_row": 7,
        },
        {"event_id": "d", "customer_id": 2, "promotion_id": 2, "type": "CLICK", "occurred_at": AT},
    ]


def totals(number=1):
    promotion = Promotion.objects.get(source_id=f"shop:{number}")
    return {
        kind: (total.events, total.users, f"{total.amount:.2f}")
        for kind, total in read_stats(promotion.pk).totals.items()
        if total.events
    }


DIRECT = ("--source", "shop", "--via", "direct")


def test_events_are_counted_and_the_rest_is_metadata(world, tmp_path):
    done = run("import_events", ndjson(tmp_path / "rows", rows()), *DIRECT)
    assert done.code == 0
    assert done.data == {
        "rows": 4,
        "accepted": 4,
        "duplicates": 0,
        "failed": 0,
        "users_created": 0,
        "counted": 4,
        "counted_before": 0,
        "conflicts": 0,
        "retrying": 0,
        "dead": 0,
    }
    assert totals() == {"VIEW": (2, 2, "0.00"), "REDEEM": (1, 1, "19.90")}
    assert totals(2) == {"CLICK": (1, 1, "0.00")}
    assert Event.objects.get(event_id="c").metadata == {"discount": "2.00", "source_row": 7}


def test_again_counts_nothing(world, tmp_path):
    path = ndjson(tmp_path / "rows", rows())
    run("import_events", path, *DIRECT)
    done = run("import_events", path, *DIRECT)
    assert (done.code, done.data["accepted"], done.data["duplicates"]) == (0, 0, 4)
    assert totals() == {"VIEW": (2, 2, "0.00"), "REDEEM": (1, 1, "19.90")}


def test_what_a_run_that_was_cut_off_left_is_counted_by_the_next(world, tmp_path, monkeypatch):
    def dies(_last):
        raise KeyboardInterrupt

    path = ndjson(tmp_path / "rows", rows())
    with monkeypatch.context() as patched:
        patched.setattr(import_events, "count_here", dies)
        assert run("import_events", path, *DIRECT).code != 0
    assert totals() == {}
    done = run("import_events", path, *DIRECT)
    assert (done.data["accepted"], done.data["duplicates"]) == (0, 4)
    assert totals() == {"VIEW": (2, 2, "0.00"), "REDEEM": (1, 1, "19.90")}


def test_csv_says_the_same_as_json(world, tmp_path):
    run("import_events", ndjson(tmp_path / "rows", rows()), *DIRECT)
    before = totals()
    path = tmp_path / "rows.csv"
    path.write_text(
        "event_id,customer_id,promotion_id,type,occurred_at,amount\n"
        + "".join(f"{id_},1,1,VIEW,{AT},\n" for id_ in "ab")
        + f"e,1,1,REDEEM,{AT},0.10\n"
    )
    done = run("import_events", path, *DIRECT)
    # `a` says the same as before; `b` is another person's, so its fields clash.
    assert (done.code, done.data["duplicates"], done.data["accepted"]) == (3, 1, 1)
    assert "line 3" in done.words
    assert "event_conflict" in done.words
    assert before["REDEEM"] == (1, 1, "19.90")
    assert totals()["REDEEM"] == (2, 1, "20.00")


def test_bad_rows_are_told_by_line(world, tmp_path):
    good = rows()[0]
    wrong = [
        ({"event_id": "w1", "type": "LIKE"}, "validation_error"),
        ({"event_id": "w2", "customer_id": 9}, "not_found"),
        ({"event_id": "w3", "promotion_id": 9}, "not_found"),
        ({"event_id": "w4", "occurred_at": "2026-05-03"}, "validation_error"),
        ({"event_id": "w5", "amount": "lots"}, "validation_error"),
        ({"event_id": "pp:1"}, "validation_error"),
        ({"event_id": "w6", "customer_id": None}, "validation_error"),
        ({"event_id": "w7", "note": "x" * 5_000}, "validation_error"),
        ({"event_id": "w8", "metadata": "secret"}, "not_an_object"),
        ({"event_id": "w9", "subscription_id": "secret"}, "invalid"),
        ({"event_id": None}, "validation_error"),
    ]
    path = ndjson(tmp_path / "rows", [good, *(good | fields for fields, _ in wrong), rows()[1]])
    report = tmp_path / "bad"
    done = run("import_events", path, *DIRECT, "--report", report)
    assert (done.code, done.data["accepted"], done.data["failed"]) == (3, 2, len(wrong))
    expected = [(line, code) for line, (_, code) in enumerate(wrong, 2)]
    assert sorted(bad_rows(report)) == expected
    text = report.read_text()
    assert "secret" not in text
    assert "customer_id: Nothing with this id was imported." in text
    assert "Not one of VIEW, CLICK, REDEEM: 'LIKE'" in text


def test_numbers_are_ids_too_and_subscriptions_name_both(db, tmp_path):
    subscription = SubscriptionFactory()
    row = {"event_id": 5, "subscription_id": subscription.pk, "type": "VIEW"}
    done = run("import_events", ndjson(tmp_path / "rows", [row]), "--via", "direct")
    assert done.data["counted"] == 1
    assert Event.objects.get().event_id == "5"
    assert Event.objects.get().user_id == subscription.user_id


def test_users_are_made_where_asked_for(world, tmp_path):
    known = [
        {"event_id": f"s{n}", "segment": n % 3 + 2, "promotion_id": 1, "type": "VIEW"}
        | {"occurred_at": AT}
        for n in range(9)
    ]
    path = ndjson(tmp_path / "rows", known)
    arguments = (path, *DIRECT, "--map", "segment=user_id")
    assert run("import_events", *arguments).data["failed"] == 6
    alias = (*arguments[:-1], "segment=customer_id")
    assert run("import_events", *alias).data == run("import_events", *arguments).data
    done = run("import_events", *arguments, "--create-users")
    assert (done.code, done.data["users_created"], done.data["accepted"]) == (0, 2, 6)
    assert totals() == {"VIEW": (9, 3, "0.00")}
    made = User.objects.get(source_id="shop:4")
    assert (made.role, made.email, made.has_usable_password()) == ("customer", None, False)


def test_accepted_is_not_counted(world, tmp_path):
    """A draft refuses events: the importer says so, the dead letter says why."""
    PromotionFactory(source_id="shop:3", **MAY)
    path = ndjson(tmp_path / "rows", [rows()[0] | {"promotion_id": 3}, rows()[1]])
    done = run("import_events", path, *DIRECT)
    assert (done.code, done.data["counted"], done.data["dead"]) == (3, 1, 1)
    assert "1 accepted event not counted" in done.words
    assert DeadLetterEvent.objects.get().cause == "promotion_not_active"


@pytest.mark.parametrize("via", ["direct", "http"])
def test_a_dry_run_keeps_nothing(world, tmp_path, via):
    path = ndjson(tmp_path / "rows", [*rows(), rows()[0], rows()[1] | {"customer_id": 8}])
    done = run("import_events", path, "--source", "shop", "--via", via, "--dry-run")
    assert done.code == 3
    assert (done.data["accepted"], done.data["duplicates"], done.data["failed"]) == (4, 1, 1)
    assert "counted" not in done.data
    assert not IngestBatch.objects.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--create-users"], "--create-users needs --source"),
        ([], "No API key"),
        (["--api-key", "x", "--url", "localhost:8000"], "is no http or https address"),
    ],
)
def test_usage(db, tmp_path, monkeypatch, arguments, words):
    for name in ("PROMOPULSE_API_KEY", "DEMO_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    done = run("import_events", ndjson(tmp_path / "rows", rows()), *arguments)
    assert done.code == 2
    assert words in done.words


@pytest.mark.django_db(transaction=True)
def test_through_the_public_door(live_server, tmp_path, monkeypatch):
    for number in (1, 2):
        UserFactory(source_id=f"shop:{number}")
        ActivePromotionFactory(source_id=f"shop:{number}", **MAY)
    _, key = create_key(name="importer", scopes=[Scope.EVENTS_WRITE])
    many = [rows()[n % 4] | {"event_id": f"m{n}"} for n in range(3_500)]
    many[1_234]["type"] = "LIKE"
    arguments = (ndjson(tmp_path / "rows", many), "--source", "shop", "--url", live_server.url)
    refused = run("import_events", *arguments, "--api-key", key[:-1] + "-")
    assert refused.code == 1
    assert "answers 401: The API key is unknown" in refused.words

    monkeypatch.setenv("PROMOPULSE_API_KEY", key)
    done = run("import_events", *arguments)
    assert (done.code, done.data["accepted"], done.data["failed"]) == (3, 3_499, 1)
    assert "line 1235" in done.words
    importing.count_here(importing.newest_batch())
    assert totals() == {"VIEW": (1_750, 2, "0.00"), "REDEEM": (874, 1, "17392.60")}
    again = run("import_events", *arguments, "--wait")
    assert (again.data["accepted"], again.data["duplicates"]) == (0, 3_499)


@pytest.mark.django_db
def test_waiting_gives_up_when_no_worker_counts(world, monkeypatch):
    monkeypatch.setattr(importing, "_STALLED_SECONDS", 0.2)
    monkeypatch.setattr(importing, "_LOOK_SECONDS", 0.05)
    importing.wait_for_workers(0)
    # A replay of dead letters may wait for its time; an import does not wait for it.
    IngestBatch.objects.create(received_at=AT, accepted=1, body="[]", origin="replay")
    batch = IngestBatch.objects.create(received_at=AT, accepted=1, body="[]")
    importing.wait_for_workers(batch.pk - 1)
    with pytest.raises(Broken, match="is a worker running"):
        importing.wait_for_workers(batch.pk)


@pytest.fixture
def server():
    """An HTTP server that gives the answers it is told to: status, headers, body; None hangs up."""
    answers, bodies = [], []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            answer = answers.pop(0)
            if answer is None:
                self.close_connection = True
                return
            status, headers, body = answer
            data = json.dumps(body).encode() if not isinstance(body, bytes) else body
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    httpd.answers, httpd.bodies = answers, bodies
    httpd.url = f"http://127.0.0.1:{httpd.server_port}"
    yield httpd
    httpd.shutdown()
    httpd.server_close()


ACCEPTED: tuple[int, dict[str, str], object] = (
    202,
    {},
    {"batch_id": 1, "accepted": 1, "duplicates": 0, "rejected": []},
)


def test_a_busy_or_broken_server_gets_the_same_body_again(server):
    server.answers += [
        (503, {"Retry-After": "0"}, {"detail": "away"}),
        None,
        (429, {"Retry-After": "0"}, {}),
        ACCEPTED,
        ACCEPTED,
    ]
    send = HttpSender(server.url, "key")
    assert send(b"{}").accepted == 1
    assert send(b"{}").accepted == 1
    assert server.bodies == [b"{}"] * 5


def test_a_refusal_is_told_at_once(server):
    server.answers += [(403, {}, {"detail": "Your key does not allow this."})]
    with pytest.raises(Broken, match=r"answers 403: Your key does not allow this\."):
        HttpSender(server.url, "key")(b"{}")
    server.answers += [(404, {}, b"<html>secret</html>")]
    with pytest.raises(Broken, match="is this PromoPulse") as trouble:
        HttpSender(server.url + "/elsewhere/", "key")(b"{}")
    assert "secret" not in str(trouble.value)


def test_a_server_that_stays_away_ends_the_import(server, monkeypatch):
    monkeypatch.setattr("engagement.senders.TRIES", 3)
    server.answers.extend(repeat((503, {"Retry-After": "0"}, {"detail": "away"}), 3))
    with pytest.raises(Broken, match="answers 503: away"):
        HttpSender(server.url, "key")(b"{}")
    assert len(server.bodies) == 3
    with pytest.raises(Broken, match="does not answer"):
        HttpSender("http://127.0.0.1:1", "key")(b"{}")


@pytest.mark.django_db
def test_trouble_in_the_middle_tells_what_was_done(world, server, tmp_path):
    ok = (202, {}, {"batch_id": 1, "accepted": 1_000, "duplicates": 0, "rejected": []})
    server.answers += [ok, ok, *repeat((401, {}, {"detail": "revoked"}), 9)]
    many = [rows()[n % 4] | {"event_id": f"m{n}"} for n in range(9_000)]
    path = ndjson(tmp_path / "rows", many)
    done = run("import_events", path, "--source", "shop", "--url", server.url, "--api-key", "x")
    assert (done.code, done.data["accepted"]) == (1, 2_000)
    assert "answers 401: revoked" in done.words
    assert len(server.bodies) < 9
