"""Dead letters in the admin: groups, plan, confirm, do; who may; what is hidden."""

import re
import time

import pytest
from django.test import Client

from accounts.jobs import running
from accounts.models import AuditEntry, Job
from engagement import letters, processing
from engagement.letters import Selection
from engagement.models import DeadLetterEvent, IngestBatch
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
from promotions.tests.admin_pages import logged_in, said
from subscriptions.tests.factories import SubscriptionFactory

pytestmark = pytest.mark.django_db(transaction=True)
LIST = "/admin/engagement/deadletterevent/"
ACTIONS = ("replay", "discard", "restore")


@pytest.fixture
def ops():
    return logged_in("ops")[0]


def links(page):
    """Addresses of a page's actions, by their words."""
    found = re.findall(r'href="([^"]*/act/[^"]*)"[^>]*>([^<]+)<', page.content.decode())
    return {words: address.replace("&amp;", "&") for address, words in found}


def list_in(words):
    """The list that a message leads to."""
    (address,) = re.findall(rf'href="({LIST}[?][^"]*)"', words)
    return address.replace("&amp;", "&")


def confirm(client, address, **given):
    """Open a plan and send its form back as it is, with what was filled in."""
    plan = client.get(address).context["plan"]
    return client.post(address, {"plan": plan.hash, **given})


def test_from_the_groups_to_the_stats(ops):
    sent = draft_letters(50)
    activate(sent)
    front = ops.get(LIST)
    (group,) = front.context["groups"]
    assert group["count"] == 50
    assert "Activate the promotion, then replay." in front.content.decode()
    act = links(front)

    sample = ops.get(act["Replay 5 as a sample..."])
    assert sample.context["plan"].count == 5
    assert states() == {"open": 50}, "looking changes nothing"
    done = confirm(ops, act["Replay 5 as a sample..."])
    assert (done.status_code, done["Location"]) == (302, LIST)
    (told,) = said(done)
    assert told.startswith("Being replayed: 5. <a ")
    processing.drain()
    seen = ops.get(list_in(told))
    assert [row.state for row in seen.context["cl"].result_list] == ["resolved"] * 5

    rest = confirm(ops, act["Replay all..."], rate="1000", reason="Active now")
    assert said(rest)[0].startswith("Being replayed: 45. <a ")
    processing.drain()
    assert (states(), counted()) == ({"resolved": 50}, 50)
    assert violations() == {}
    entry = AuditEntry.objects.filter(action="dead_letter.replay").last()
    assert (entry.via, entry.reason, entry.after["rate"]) == ("admin", "Active now", 1000)

    assert "There is nothing to do" in ops.get(act["Replay all..."]).content.decode()
    assert ops.get(LIST).context["groups"] == []
    assert "No dead letter is open" in ops.get(LIST).content.decode()


def test_discard_and_restore(ops):
    draft_letters(2)
    discard = links(ops.get(LIST))["Discard..."]
    refused = confirm(ops, discard, reason="  ")
    assert refused.status_code == 200
    assert refused.context["form"].errors["reason"]
    assert states() == {"open": 2}
    (told,) = said(confirm(ops, discard, reason="Test traffic"))
    assert told.startswith("Discarded: 2.")
    assert "/act/restore/?ids=" in told, "it can be undone"
    assert states() == {"discarded": 2}

    letter = DeadLetterEvent.objects.first()
    page = ops.get(f"{LIST}{letter.pk}/change/")
    assert "Test traffic" in page.content.decode()
    assert list(links(page)) == ["Undo...", "Restore..."]
    assert said(confirm(ops, links(page)["Restore..."]))[0].startswith("Open again: 1. <a ")
    assert states() == {"discarded": 1, "open": 1}
    of_list = links(ops.get(f"{LIST}?state__exact=discarded&cause__exact=promotion_not_active"))
    (told,) = said(confirm(ops, of_list["Restore all..."], reason="Real"))
    assert told.startswith("Open again: 1. <a ")
    assert [reason for *_, reason in trail()] == ["Test traffic", "", "Real"]


@pytest.mark.parametrize("action", ["replay", "discard"])
def test_a_plan_that_changed_is_shown_again(ops, action):
    draft_letters(1)
    address = f"{LIST}act/{action}/?cause=promotion_not_active"
    old = ops.get(address).context["plan"].hash
    draft_letters(1)
    refused = ops.post(address, {"plan": old, "reason": "Why"})
    assert (refused.status_code, refused["Location"]) == (302, address)
    assert said(refused) == ["The plan changed, review it again."]
    assert states() == {"open": 2}
    assert ops.post(address, {"reason": "Why"})["Location"] == address
    assert states() == {"open": 2}, "no plan, no deed"


def test_chosen_letters_are_planned_first(ops):
    draft_letters(3)
    first, second, _third = DeadLetterEvent.objects.order_by("pk").values_list("pk", flat=True)
    for action in ACTIONS:
        form = {"action": f"{action}_chosen", "_selected_action": [first, second]}
        answer = ops.post(LIST, form)
        assert answer["Location"] == f"{LIST}act/{action}/?ids={first}%2C{second}"
    assert states() == {"open": 3}
    confirm(ops, f"{LIST}act/replay/?ids={first},{second}")
    assert states() == {"open": 1, "replaying": 2}
    page = ops.get(f"{LIST}act/discard/?ids={first},{second}")
    assert page.context["plan"].left_out == 2


def test_too_many_chosen(ops, monkeypatch):
    monkeypatch.setattr("engagement.admin.letter_actions.MOST_CHOSEN", 2)
    draft_letters(3)
    ids = list(DeadLetterEvent.objects.values_list("pk", flat=True))
    answer = ops.post(LIST, {"action": "replay_chosen", "_selected_action": ids})
    assert "at most 2" in said(answer)[0]


def test_what_was_done_leads_to_exactly_its_letters_or_to_those_alike(ops, monkeypatch):
    draft_letters(3)
    ids = list(DeadLetterEvent.objects.values_list("pk", flat=True)[:2])
    address = f"{LIST}act/discard/?ids={ids[0]},{ids[1]}"
    (told,) = said(confirm(ops, address, reason="Tests"))
    found = ops.get(list_in(told)).context["cl"].result_list
    assert sorted(row.pk for row in found) == ids
    monkeypatch.setattr("engagement.admin.letter_actions.MOST_CHOSEN", 1)
    address = f"{LIST}act/restore/?cause=promotion_not_active&type=VIEW"
    (told,) = said(confirm(ops, address))
    assert list_in(told) == f"{LIST}?cause=promotion_not_active&type=VIEW"
    assert ops.get(list_in(told)).context["cl"].result_count == 3
    for ids in ("x", "1,", "9" * 40, "-1"):
        assert ops.get(f"{LIST}?id__in={ids}").status_code in (200, 302), ids


@pytest.mark.parametrize(
    "query",
    ["", "?sample=5", "?cause=bad_luck", "?promotion_id=x", "?type=BUY", "?x=1", "?fingerprint="],
)
def test_an_address_that_names_no_letters(ops, query):
    draft_letters(1)
    for answer in (ops.get, ops.post):
        refused = answer(f"{LIST}act/discard/{query}", {"reason": "x"} if query == "" else None)
        assert (refused.status_code, refused["Location"]) == (302, LIST)
    assert states() == {"open": 1}


def test_an_unknown_action(ops):
    assert ops.get(f"{LIST}act/edit/?cause=unknown_user").status_code == 404


@pytest.mark.parametrize("rate", ["0", "-1", "x", "10001", "1.5"])
def test_a_senseless_rate(ops, rate):
    draft_letters(1)
    page = confirm(ops, f"{LIST}act/replay/?cause=promotion_not_active", rate=rate)
    assert page.context["form"].errors["rate"]
    assert states() == {"open": 1}


def test_a_refusal_becomes_a_message(ops, monkeypatch):
    draft_letters(1)
    monkeypatch.setattr(
        "engagement.letters.replaying._HOLD", "SELECT false WHERE %(groups)s = %(groups)s"
    )
    refused = confirm(ops, f"{LIST}act/replay/?cause=promotion_not_active")
    assert "being replayed at this moment" in said(refused)[0]
    assert states() == {"open": 1}


def test_only_ops_and_admins_handle_letters():
    draft_letters(1)
    letters.discard(Selection(), reason="x")
    sent = draft_letters(1)
    plans = {
        "replay": letters.replay(Selection(promotion_id=promotion_of(sent)), dry_run=True).plan,
        "discard": letters.discard(Selection(), reason="", dry_run=True),
        "restore": letters.restore(Selection(), dry_run=True),
    }
    before = states()
    for role, status in (("customer", 302), ("marketer", 403)):
        client, _user = logged_in(role)
        for action in ACTIONS:
            address = f"{LIST}act/{action}/?cause=promotion_not_active"
            forged = {"plan": plans[action].hash, "reason": "Forged"}
            assert client.get(address).status_code == status
            assert client.post(address, forged).status_code == status
            chosen = {"action": f"{action}_chosen", "_selected_action": [1]}
            assert client.post(LIST, chosen).status_code == status
    assert states() == before
    admin, _user = logged_in("admin")
    assert links(admin.get(LIST))


def test_who_only_reads_has_no_buttons(ops, monkeypatch):
    draft_letters(1)
    monkeypatch.setattr(
        "engagement.admin.letters.DeadLetterAdmin.has_handle_permission", lambda *_: False
    )
    letter = DeadLetterEvent.objects.get()
    for page in (ops.get(LIST), ops.get(f"{LIST}{letter.pk}/change/")):
        assert page.status_code == 200
        assert links(page) == {}
    address = f"{LIST}act/discard/?ids={letter.pk}"
    assert ops.get(address).status_code == 403
    assert ops.post(address, {"reason": "Forged"}).status_code == 403
    forged = {"action": "discard_chosen", "_selected_action": [letter.pk]}
    assert ops.post(LIST, forged).status_code == 200, "the list, as if nothing was chosen"
    assert states() == {"open": 1}


def test_a_post_from_elsewhere_is_refused():
    draft_letters(1)
    _client, user = logged_in("ops")
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(user)
    address = f"{LIST}act/discard/?cause=promotion_not_active"
    plan = browser.get(address).context["plan"]
    assert browser.post(address, {"plan": plan.hash, "reason": "x"}).status_code == 403
    assert states() == {"open": 1}


def test_nobody_edits_a_letter(ops):
    draft_letters(1)
    letter = DeadLetterEvent.objects.get()
    assert ops.post(f"{LIST}{letter.pk}/change/", {"state": "resolved"}).status_code == 403
    assert states() == {"open": 1}


def test_one_letter_says_all_and_hides_people(ops):
    sent = event(
        subscription_id=SubscriptionFactory().pk,
        user_id=10**9,
        metadata={"email": "wren@aviary.example", "note": "+49 151 7766 5544", "n": "<b>"},
    )
    send_and_process(sent)
    letter = DeadLetterEvent.objects.get()
    letters.replay(Selection())
    processing.drain()
    page = ops.get(f"{LIST}{letter.pk}/change/").content.decode()
    assert "The sender has to correct its event" in page
    assert page.count("belongs to another user") >= 3, "the cause, and two attempts"
    assert "***44" in page
    assert "&lt;b&gt;" in page
    for trace in ("aviary", "7766", "<b>", str(letter.digest)):
        assert trace not in page
    assert set(links(ops.get(f"{LIST}{letter.pk}/change/"))) == {"Replay...", "Discard..."}


def test_a_filtered_list_offers_all_of_it(ops):
    sent = draft_letters(1)
    draft_letters(1)
    promotion_id = promotion_of(sent)
    (group, _other) = ops.get(LIST).context["groups"]
    rows = ops.get(
        LIST, {"fingerprint": group["fingerprint"], "cause": group["cause"], "state": "open"}
    )
    assert rows.context["cl"].result_count == 1
    assert "groups" not in rows.context
    for query, found in (
        (f"?promotion_id={promotion_id}", 3),
        (f"?promotion_id={promotion_id}&type__exact=VIEW&state__exact=open", 3),
        ("?cause__exact=promotion_not_active&state__exact=discarded", 1),
        ("?state__exact=open", 0),
        ("?cause__exact=promotion_not_active&state__exact=resolved", 0),
        (f"?promotion_id={promotion_id}&q=e-1", 0),
    ):
        assert len(links(ops.get(LIST + query))) == found, query
    address = links(ops.get(f"{LIST}?promotion_id={promotion_id}"))["Replay all..."]
    assert ops.get(address).context["plan"].count == 1


def test_a_warning_where_the_cause_is_not_mended(ops):
    draft_letters(1)
    address = f"{LIST}act/replay/?cause="
    assert "pp-note pp-warn" not in ops.get(f"{address}promotion_not_active").content.decode()
    DeadLetterEvent.objects.update(cause="worker_lost")
    assert "pp-note pp-warn" in ops.get(f"{address}worker_lost").content.decode()


def test_the_front_page_costs_the_same_with_many_groups(ops, django_assert_max_num_queries):
    for number in (1, 5):
        for _ in range(number):
            draft_letters(2)
        with django_assert_max_num_queries(12):
            assert ops.get(LIST).status_code == 200


@pytest.mark.parametrize("rate", ["", "10000"])
def test_very_many_are_replayed_by_a_job(ops, monkeypatch, rate):
    monkeypatch.setattr("engagement.letters.long.AT_ONCE", 5)
    monkeypatch.setattr("engagement.letters.long.LETTERS_A_STEP", 4)
    sent = draft_letters(10)
    address = f"{LIST}act/replay/?cause=promotion_not_active"
    refused = ops.post(address, {"plan": "x", "rate": rate})
    assert said(refused) == ["The plan changed, review it again."]
    assert not Job.objects.exists()
    answer = confirm(ops, address, rate=rate, reason="Active now")
    job = Job.objects.get()
    assert answer["Location"] == f"/admin/accounts/job/{job.pk}/change/"
    assert states() == {"open": 10}
    late = draft_letters(1)
    activate(sent)
    activate(late)
    running.run(job.pk)
    job.refresh_from_db()
    assert (job.state, job.done, job.result) == ("done", 10, {"sent_back": 10})
    page = ops.get(answer["Location"]).content.decode()
    assert "10 dead letters sent back to the inbox." in page
    assert ops.get(list_in(page)).context["cl"].result_count == 11
    assert states() == {"open": 1, "replaying": 10}, "who came later is left alone"
    time.sleep(0.05)
    processing.drain()
    assert (states(), counted()) == ({"open": 1, "resolved": 10}, 10)
    assert violations() == {}
    assert [reason for *_, reason in trail()] == ["Active now"] * 3


def test_a_long_replay_keeps_its_rate(ops, monkeypatch):
    monkeypatch.setattr("engagement.letters.long.AT_ONCE", 1)
    monkeypatch.setattr("engagement.letters.long.LETTERS_A_STEP", 2)
    draft_letters(6)
    confirm(ops, f"{LIST}act/replay/?cause=promotion_not_active", rate="1")
    running.run(Job.objects.get().pk)
    batches = IngestBatch.objects.filter(origin="replay").order_by("id")
    due = [batch.received_at for batch in batches]
    assert [round((at - due[0]).total_seconds()) for at in due] == [0, 1, 2, 3, 4, 5]
