"""The sliding window: exact, free for what is not new, there without Redis, off when told."""

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from engagement import processing, window
from engagement.models import Event, IngestBatch
from engagement.tests.factories import event
from engagement.window.local import Log
from promopulse.lib import redis as fast_redis
from promotions.tests.factories import ActivePromotionFactory
from subscriptions.tests.factories import SubscriptionFactory

URL = "/api/v1/events/ingest"


@pytest.fixture(autouse=True)
def five_a_minute(settings, rate_limits):
    settings.INGEST_WINDOW_LIMIT = 5
    settings.INGEST_WINDOW_SECONDS = 60
    fast_redis.circuit.worked()
    window.forget_all()


@pytest.fixture
def shop(as_service):
    return as_service("events:write")


@pytest.fixture
def subscription(db):
    return SubscriptionFactory()


@pytest.fixture
def redis_away(monkeypatch):
    """Redis fails; how often it was asked."""
    asked = []

    def fail(command):
        asked.append(command[0])
        raise redis.ConnectionError("away")

    monkeypatch.setattr(fast_redis, "_on_own_connection", fail)
    yield asked
    fast_redis.circuit.worked()


def post(client, *events):
    return client.post(URL, {"events": list(events)} if len(events) > 1 else events[0])


def many(subscription, count):
    return [event(subscription_id=subscription.pk) for _ in range(count)]


def take(senders, limit=5, milliseconds=60_000):
    """Ask Redis for the senders' room, as a request would."""
    return window._run("take", limit, milliseconds, list(senders), list(senders.values()))


class TestOverHttp:
    pytestmark = pytest.mark.django_db

    def test_a_single_event_over_the_limit_is_429(self, shop, subscription):
        answers = [shop.post(URL, one) for one in many(subscription, 6)]
        assert [answer.status_code for answer in answers] == [202] * 5 + [429]
        assert [answer["RateLimit-Remaining"] for answer in answers] == list("432100")
        assert {answer["RateLimit-Limit"] for answer in answers} == {"5"}
        assert all(1 <= int(answer["RateLimit-Reset"]) <= 61 for answer in answers)
        refused = answers[-1]
        assert refused["Content-Type"] == "application/problem+json"
        assert 1 <= int(refused["Retry-After"]) <= 61
        assert refused.json()["code"] == "rate_limited"
        assert refused.json()["params"] == {"limit": 5, "retry_after": int(refused["Retry-After"])}
        assert IngestBatch.objects.count() == 5

    def test_a_batch_is_accepted_as_far_as_there_is_room(self, shop, subscription):
        other = SubscriptionFactory()
        events = [*many(subscription, 7), *many(other, 2)]
        answer = post(shop, *events).json()
        assert answer["accepted"] == 7
        assert [(row["index"], row["code"]) for row in answer["rejected"]] == [
            (5, "rate_limited"),
            (6, "rate_limited"),
        ]
        assert answer["rejected"][0]["event_id"] == events[5]["event_id"]
        assert "try again in" in answer["rejected"][0]["detail"]
        processing.drain()
        assert Event.objects.count() == 7

    def test_a_whole_batch_over_the_limit_stores_nothing(self, shop, subscription):
        post(shop, *many(subscription, 5))
        response = post(shop, *many(subscription, 2))
        assert response.status_code == 200
        assert response.json()["batch_id"] is None
        assert len(response.json()["rejected"]) == 2
        assert IngestBatch.objects.count() == 1

    def test_without_a_subscription_the_window_is_the_pairs(self, shop, subscription):
        promotion = ActivePromotionFactory()
        pair = {"user_id": subscription.user_id, "promotion_id": promotion.pk}
        other = {**pair, "promotion_id": subscription.promotion_id}
        answer = post(shop, *(event(**pair) for _ in range(6)), *(event(**other) for _ in range(5)))
        assert [row["index"] for row in answer.json()["rejected"]] == [5]

    def test_duplicates_are_free(self, shop, subscription):
        first = many(subscription, 4)
        post(shop, *first)
        processing.drain()
        for _ in range(3):
            assert post(shop, *first).json()["duplicates"] == 4
        assert shop.post(URL, first[0]).status_code == 200
        clash = shop.post(URL, {**first[0], "type": "CLICK"})
        assert clash.status_code == 409
        answer = shop.post(URL, many(subscription, 1)[0])
        assert (answer.status_code, answer["RateLimit-Remaining"]) == (202, "0")

    def test_a_duplicate_is_a_duplicate_when_the_window_is_full(self, shop, subscription):
        first = many(subscription, 5)
        post(shop, *first)
        processing.drain()
        assert shop.post(URL, first[0]).status_code == 200
        assert post(shop, *first).json()["duplicates"] == 5

    def test_a_batch_sent_again_gets_on(self, shop, subscription, settings):
        settings.INGEST_WINDOW_SECONDS = 1
        window.forget_all()
        events = many(subscription, 12)
        accepted = []
        for _ in range(3):
            accepted.append(post(shop, *events).json()["accepted"])
            processing.drain()
            time.sleep(1.05)
        assert accepted == [5, 5, 2]

    def test_what_repeats_a_refused_event_is_refused_with_it(self, shop, subscription):
        post(shop, *many(subscription, 5))
        again = many(subscription, 1)[0]
        answer = post(shop, again, again).json()
        assert answer["duplicates"] == 0
        assert [row["code"] for row in answer["rejected"]] == ["rate_limited"] * 2

    def test_an_event_that_could_not_be_stored_is_not_counted(
        self, shop, subscription, monkeypatch
    ):
        def broken(*args, **options):
            raise RuntimeError("no store")

        with monkeypatch.context() as patch:
            patch.setattr("engagement.ingest._store", broken)
            for one in many(subscription, 6):
                assert shop.post(URL, one).status_code == 500
        assert [shop.post(URL, one).status_code for one in many(subscription, 5)] == [202] * 5

    def test_bulk_keys_are_exempt(self, as_service, subscription):
        bulk = as_service("events:write", "events:bulk")
        assert post(bulk, *many(subscription, 20)).json()["accepted"] == 20
        answer = bulk.post(URL, many(subscription, 1)[0])
        assert answer.status_code == 202
        assert "RateLimit-Limit" not in answer

    def test_people_are_limited(self, as_role, subscription):
        assert post(as_role("ops"), *many(subscription, 6)).json()["accepted"] == 5

    def test_limits_can_be_turned_off(self, shop, subscription, settings):
        settings.RATE_LIMITS_ON = False
        assert post(shop, *many(subscription, 20)).json()["accepted"] == 20

    def test_one_call_a_request(self, shop, subscription, monkeypatch):
        asked = []
        ask = fast_redis.ask
        monkeypatch.setattr(
            fast_redis, "ask", lambda *command: asked.append(command[0]) or ask(*command)
        )
        others = [SubscriptionFactory() for _ in range(5)]
        post(shop, *(one for other in others for one in many(other, 3)))
        assert asked[0].startswith("EVAL")
        assert [word for word in asked if word != "EVAL"] in (["EVALSHA"], ["EVALSHA", "SET"])

    def test_without_redis_this_process_counts(self, shop, subscription, redis_away):
        started = time.perf_counter()
        answers = [shop.post(URL, one) for one in many(subscription, 7)]
        assert [answer.status_code for answer in answers] == [202] * 5 + [429] * 2
        assert answers[0]["RateLimit-Remaining"] == "4"
        assert len(redis_away) == 1, "after a failure Redis is left alone for a while"
        assert time.perf_counter() - started < 1
        assert post(shop, *many(SubscriptionFactory(), 7)).json()["accepted"] == 5


@pytest.fixture
def patient(monkeypatch):
    """On a busy machine an answer may take longer than a request would wait for it."""
    monkeypatch.setattr(fast_redis, "ANSWER_SECONDS", 20.0)
    fast_redis.client.cache_clear()
    fast_redis._forget_connections()
    yield
    fast_redis.client.cache_clear()
    fast_redis._forget_connections()


def test_never_over_the_limit_under_16_threads(patient):
    """Grants of 1 s windows, by the clients' clocks: those surely inside one are never too many."""
    limit, milliseconds, seconds = 20, 1_000, 4.0
    start = threading.Barrier(16)
    grants: list[tuple[float, float]] = []

    def hammer(number):
        start.wait()
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            before = time.monotonic()
            _, _, granted, *_ = take({"s": 1 + number % 3}, limit, milliseconds)
            grants.extend([(before, time.monotonic())] * granted)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(hammer, range(16)))
    for begin, _ in grants:
        inside = [1 for asked, told in grants if begin <= asked and told <= begin + 1.0]
        assert len(inside) <= limit
    # As many as there may be, but for what a thread that is late leaves over.
    assert limit * seconds * 0.75 <= len(grants) <= limit * (seconds + 1)


def test_exactly_the_limit_for_16_threads_at_once(patient):
    start = threading.Barrier(16)

    def one(_number):
        start.wait()
        return sum(take({"s": 1}, 50)[2] for _ in range(10))

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(one, range(16))) == 50


def test_the_window_slides():
    assert take({"s": 3}, 5, 1_000)[2] == 3
    time.sleep(0.5)
    assert take({"s": 3}, 5, 1_000)[2] == 2
    _, _, granted, left, wait = take({"s": 1}, 5, 1_000)
    assert (granted, left) == (0, 0)
    assert 300 <= wait <= 501
    time.sleep(wait / 1000)
    assert take({"s": 4}, 5, 1_000)[2] == 3, "the first three have left, the other two have not"


def wait_for_a_span(at, milliseconds, number=1):
    """Until so many spans after that of `at` begin."""
    time.sleep((number * milliseconds - at % milliseconds) / 1000 + 0.02)


@pytest.mark.parametrize("others", [0, 1, 300])
def test_what_came_in_the_last_span_counts_beside_any_number_of_others(others):
    """The last span is read only if its busiest sender may have had too much."""
    milliseconds = 1_000
    took = milliseconds
    while took >= milliseconds:  # else the machine stood still, and the last span is over
        at, *_ = take({"s": 5}, 5, milliseconds)
        wait_for_a_span(at, milliseconds, 2)
        time.sleep(0.5)
        began, *_ = take({"s": 3, "t": 1}, 5, milliseconds)
        at, *_ = take({"u": 2, "t": 1}, 5, milliseconds)
        wait_for_a_span(at, milliseconds)
        quiet = {f"q{number}": 1 for number in range(others)}
        answer = take({**quiet, "s": 4, "t": 3, "u": 4}, 5, milliseconds)
        took = answer[0] - began
    assert [answer[n : n + 2] for n in range(1, len(answer), 4)] == [
        [others + 1, 2],
        [others + 3, 3],
    ]


def test_the_last_span_is_not_read_while_nobody_is_near_the_limit():
    wait_for_a_span(take({"s": 1}, 50, 1_000)[0], 1_000, 2)
    time.sleep(0.5)
    take({"s": 2, "t": 1}, 50, 1_000)
    at, *_ = take({"s": 1}, 50, 1_000)
    wait_for_a_span(at, 1_000)
    answer, reads = reads_of(lambda: take({"s": 40, "t": 1}, 50, 1_000))
    assert (len(answer), reads) == (1, 1)
    answer, reads = reads_of(lambda: take({"s": 9, "t": 1}, 50, 1_000))
    assert (answer[1:3], reads) == ([1, 7], 2)


def reads_of(act):
    """What it gives, and how often it read windows of a second: others may ask for theirs."""
    server, calls = fast_redis.client(), 0
    with server.monitor() as monitor:
        answer = act()
        server.echo("that was all")
        for command in monitor.listen():
            if "that was all" in command["command"]:
                break
            calls += command["command"].startswith(f"HMGET {window._key(1_000)}")
    return answer, calls


def test_room_is_given_back_to_the_very_take():
    first, *_ = take({"s": 2})
    time.sleep(0.01)
    second, *_ = take({"s": 3})
    window._run("give_back", first, 60_000, ["s"], [2])
    assert take({"s": 5})[2:4] == [2, 0]
    window._run("give_back", first, 60_000, ["s"], [2])
    assert take({"s": 1})[2] == 0, "there is nothing of the first any more"
    window._run("give_back", second, 60_000, ["s"], [1])
    assert take({"s": 5})[2] == 1


def test_redis_forgets_by_itself():
    server = fast_redis.client()
    at, *_ = take({str(number): 1 for number in range(300)}, 5, 1_000)
    (key,) = server.keys("{pp:window}:1000:*")
    assert 2_000 < server.pttl(key) <= 3_000
    assert server.object("ENCODING", key) == b"hashtable", "no list to walk"
    time.sleep((2_000 - at % 1_000) / 1000 + 0.05)
    take({"s": 1}, 5, 1_000)
    assert server.keys("{pp:window}:1000:*") != [key], "what is over goes with the next span"
    assert not server.exists(key)


def test_a_script_that_redis_has_lost_is_sent_again():
    fast_redis.client().script_flush()
    assert take({"s": 1})[2] == 1


def test_a_request_of_5000_senders():
    answer = take({str(number): 6 for number in range(5_000)})
    assert len(answer) == 1 + 4 * 5_000
    assert Counter(answer[2::4]) == {5: 5_000}


class Clock:
    """A clock for the process's own window."""

    def __init__(self, monkeypatch):
        self.now = 1_000_000_007
        monkeypatch.setattr(
            "engagement.window.local.time.monotonic_ns", lambda: self.now * 1_000_000
        )


def test_the_local_window_is_exact(monkeypatch):
    clock, log = Clock(monkeypatch), Log()
    granted: list[int] = []
    for step in range(2_000):
        clock.now += (step * 7919) % 173
        _, _, some, left, wait = log.take(5, 1_000, ["s"], [1 + step % 3])
        granted += [clock.now] * some
        alive = [at for at in granted if at >= clock.now - 1_000]
        assert len(alive) <= 5
        assert left == 5 - len(alive)
        assert some == 1 + step % 3 or not left, "as much as there is room for"
        assert 1 <= wait <= 1_001
    assert len(granted) > 500


def test_the_local_window_gives_back_and_forgets(monkeypatch):
    clock, log = Clock(monkeypatch), Log()
    at, *_ = log.take(5, 1_000, ["s", "t"], [5, 1])
    log.give_back(at, 1_000, ["s"], [2])
    assert log.take(5, 1_000, ["s"], [5])[2] == 2
    clock.now += 5_000
    log.take(5, 1_000, ["u"], [1])
    assert not log._previous
    assert set(log._current) == {"u"}
