"""Batches in the admin: filled by a job, stopped, taken up, listed."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.jobs import running
from accounts.models import Job, User
from promotions.coupons.models import CodeBatch, Coupon
from promotions.coupons.services import batches
from promotions.coupons.tests.admin_pages import BATCHES, SHAPE, ask, book, confirm, generate_page
from promotions.coupons.tests.factories import made
from promotions.tests.admin_pages import logged_in, said

pytestmark = pytest.mark.django_db


@pytest.fixture
def client():
    return logged_in("marketer")[0]


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr("promotions.coupons.rules.MAX_AT_ONCE", 10)
    monkeypatch.setattr("promotions.coupons.services.batches.CHUNK", 20)


@pytest.fixture
def started(client, small_chunks):
    """A batch of fifty that a job makes, twenty at a time; nobody has begun."""
    answer = confirm(client, ask(client, generate_page(book(name="Big")), count=50, **SHAPE))
    assert said(answer) == ["A job makes the codes."]
    return CodeBatch.objects.get(), Job.objects.get()


def test_many_are_made_by_a_job_that_tells_how_far_it_is(client, started):
    batch, job = started
    page = client.get(f"{BATCHES}{batch.pk}/change/").content.decode()
    assert 'role="progressbar"' in page
    assert 'aria-valuenow="0"' in page
    assert 'hx-trigger="load delay:1s"' in page
    batches.fill(batch.pk, seconds=0)
    page = client.get(f"{BATCHES}{batch.pk}/change/").content.decode()
    assert 'aria-valuenow="40"' in page
    assert (job.title, job.total, job.actor.role) == ("50 codes for Big", 50, "marketer")

    running.run(job.pk)
    job.refresh_from_db()
    batch.refresh_from_db()
    assert (job.state, job.done, job.result) == ("done", 50, {"codes": 50})
    assert (batch.status, len(set(Coupon.objects.values_list("code", flat=True)))) == ("done", 50)
    words = client.get(f"/admin/accounts/job/{job.pk}/change/").content.decode()
    assert f"{BATCHES}{batch.pk}/change/" in words
    assert "Codes as CSV" in words
    assert 'hx-trigger="load' not in client.get(f"{BATCHES}{batch.pk}/change/").content.decode()


def test_a_batch_that_others_have_filled_is_a_job_that_is_done(started):
    batch, job = started
    batches.fill(batch.pk)
    running.run(job.pk)
    job.refresh_from_db()
    assert (job.state, job.done, Coupon.objects.count()) == ("done", 50, 50)


def test_a_job_that_is_stopped_stops_its_batch_and_makes_the_rest_when_begun_again(client, started):
    batch, job = started
    batches.fill(batch.pk, seconds=0)
    move = f"/admin/accounts/job/{job.pk}/"
    confirm(client, client.get(f"{move}cancel/"), reason="Too many")
    batch.refresh_from_db()
    assert (batch.status, batch.done) == ("cancelled", 20)
    assert batches.fill(batch.pk)
    assert Coupon.objects.count() == 20

    confirm(client, client.get(f"{move}again/"))
    running.run(job.pk)
    job.refresh_from_db()
    assert (job.state, job.done, job.total) == ("done", 50, 50)
    assert Coupon.objects.count() == 50
    assert list(CodeBatch.objects.order_by("pk").values_list("status", "total", "done")) == [
        ("cancelled", 50, 20),
        ("done", 30, 30),
    ]


def test_a_batch_that_is_stopped_is_a_job_that_is_cancelled(client, started):
    batch, job = started
    batches.fill(batch.pk, seconds=0)
    answer = confirm(client, client.get(f"{BATCHES}{batch.pk}/cancel/"), reason="Enough")
    assert said(answer)[-1] == "Stopped at 20 of 50 codes."
    running.run(job.pk)
    job.refresh_from_db()
    assert (job.state, job.done, Coupon.objects.count()) == ("cancelled", 20, 20)
    assert client.get(f"{BATCHES}{batch.pk}/cancel/").context["plan"].count == 0


def test_a_stopped_job_of_a_full_shape_is_refused_in_words(client, small_chunks):
    one = book()
    small = SHAPE | {"length": 4, "charset": "ABCDEFGHJK"}
    confirm(client, ask(client, generate_page(one), count=60, **small))
    batch, job = CodeBatch.objects.get(), Job.objects.get()
    confirm(client, client.get(f"{BATCHES}{batch.pk}/cancel/"))
    running.run(job.pk)
    batches.generate(one.pk, count=90, here=True, length=4, charset="ABCDEFGHJK")
    move = f"/admin/accounts/job/{job.pk}/again/"
    answer = confirm(client, client.get(move))
    assert said(answer)[-1] == "At most 10 codes can be made with this pattern."
    job.refresh_from_db()
    assert job.state == "cancelled"


@pytest.mark.parametrize("role", ["viewer", "ops"])
def test_others_stop_nothing(started, role):
    batch, job = started
    client, _ = logged_in(role)
    assert client.get(f"{BATCHES}{batch.pk}/change/").status_code == 200
    for address in (f"{BATCHES}{batch.pk}/cancel/", f"/admin/accounts/job/{job.pk}/cancel/"):
        assert client.post(address, {"plan": "x", "reason": "x"}).status_code == 403
    batch.refresh_from_db()
    assert batch.status == "running"


def test_who_lost_the_role_takes_up_nothing_of_what_they_began(started):
    _batch, job = started
    person = job.actor
    client = Client()
    client.force_login(person)
    confirm(client, client.get(f"/admin/accounts/job/{job.pk}/cancel/"))
    address = f"/admin/accounts/job/{job.pk}/again/"
    assert address in client.get(f"/admin/accounts/job/{job.pk}/change/").content.decode()
    plan = client.get(address).context["plan"].hash
    User.objects.filter(pk=person.pk).update(role="viewer")
    assert address not in client.get(f"/admin/accounts/job/{job.pk}/change/").content.decode()
    assert client.post(address, {"plan": plan}).status_code == 403
    job.refresh_from_db()
    assert (job.state, CodeBatch.objects.count()) == ("cancelled", 1)


def test_batches_are_listed_with_few_queries(client):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            assert client.get(BATCHES).status_code == 200
        return len(captured)

    made(book(), 1)
    few = queries()
    for _ in range(4):
        made(book(), 1)
    assert queries() == few <= 12
