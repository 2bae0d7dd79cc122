"""Very many codes brought by a job: each once, in one batch, whatever becomes of the worker."""

import csv
import io
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from accounts import jobs
from accounts.jobs import brought, running
from accounts.models import AuditEntry, Job, JobInput, User
from accounts.pruning import prune_expired
from promotions.coupons import rules
from promotions.coupons.models import CodeBatch, Coupon
from promotions.coupons.services import batches
from promotions.coupons.tests.admin_pages import BOOKS, book, confirm, words_of
from promotions.coupons.tests.factories import named
from promotions.tests.admin_pages import logged_in, said

pytestmark = pytest.mark.django_db
FIVE = [f"GOLD-{number}" for number in range(5)]


@pytest.fixture(autouse=True)
def _two_at_once(monkeypatch):
    monkeypatch.setattr(brought, "AT_ONCE", 2)


@pytest.fixture
def client():
    return logged_in("marketer")[0]


def begun(client, one, codes=FIVE, **given):
    address = f"{BOOKS}{one.pk}/upload/"
    page = client.post(address, {"pasted": "\n".join(codes), **given})
    answer = client.post(address, dict(page.context["hidden"]))
    job = Job.objects.get()
    assert answer["Location"] == f"/admin/accounts/job/{job.pk}/change/"
    return job


def codes_of(one):
    return sorted(one.coupons.values_list("code", flat=True))


def page_of(client, job):
    return client.get(f"/admin/accounts/job/{job.pk}/change/")


def progress(page):
    """What is drawn again while a job runs."""
    return page.content.decode().split('id="progress"')[1].split("</section>")[0]


def test_few_are_brought_at_once(client):
    one = book()
    address = f"{BOOKS}{one.pk}/upload/"
    page = client.post(address, {"pasted": "GOLD-1\nGOLD-2\nno/code"})
    done = client.post(address, dict(page.context["hidden"]))
    left_out = "1 row left out: can be no code (1)."
    assert said(done) == [f"2 codes brought into the book. {left_out}"]
    assert not Job.objects.exists()


def test_many_are_brought_by_a_job_that_ends_in_the_same_report(client):
    one = book(allow_multi_redemption=True)
    named(book(), "OLD-1")
    job = begun(client, one, [*FIVE, "OLD-1", "no/code"], max_redemptions=3)
    assert (job.total, one.coupons.count()) == (5, 0)
    assert "Finished" not in progress(page_of(client, job))
    running.run(job.pk)
    assert "Finished" in progress(page_of(client, job))
    batch = CodeBatch.objects.get(book=one)
    assert (batch.kind, batch.status, batch.done, batch.max_redemptions) == ("upload", "done", 5, 3)
    assert codes_of(one) == FIVE
    words = words_of(page_of(client, job))
    assert "5 of 5" in words
    left_out = "2 rows left out: can be no code (1), exists already (1)."
    assert f"5 codes brought into the book. {left_out}" in words
    assert f"Batch {batch.pk}" in words
    assert not JobInput.objects.filter(is_left_out=False).exists()
    entry = AuditEntry.objects.get(action="book.upload", object_id=one.pk)
    assert entry.after == {"batch_id": batch.pk, "codes": 5}


def test_its_rejected_rows_can_be_downloaded_for_a_week(client):
    named(book(), "OLD-1")
    job = begun(client, book(), [*FIVE[:3], "OLD-1", *FIVE[3:], "no/code"])
    address = f"/admin/accounts/job/{job.pk}/rejected/"
    with connection.cursor() as cursor:
        cursor.execute("SELECT rows FROM accounts_jobinput WHERE is_left_out")
        assert all(bytes(token).startswith(b"gAAAA") for (token,) in cursor.fetchall())
    running.run(job.pk)
    assert address in page_of(client, job).content.decode()
    rows = list(csv.DictReader(io.StringIO(client.get(address).content.decode())))
    assert [(row["row"], row["given"], row["verdict"]) for row in rows] == [
        ("4", "OLD-1", "Exists already"),
        ("7", "no/code", "Can be no code"),
    ]
    other, _ = logged_in("marketer")
    assert other.get(address).status_code == 403
    assert address not in page_of(other, job).content.decode()
    User.objects.filter(pk=job.actor_id).update(role="viewer")
    assert client.get(address).status_code == 403
    User.objects.filter(pk=job.actor_id).update(role="marketer")
    Job.objects.update(finished_at=timezone.now() - timedelta(days=8))
    assert prune_expired()["job_input"] == 1
    assert client.get(address).status_code == 404
    assert address not in page_of(client, job).content.decode()


def test_a_worker_killed_between_chunks_leaves_the_rest_to_the_next(client, monkeypatch):
    one = book()
    job = begun(client, one)
    real, chunks = batches.insert_codes, []

    def deadly(batch, rows):
        chunks.append(rows)
        count = real(batch, rows)
        if len(chunks) == 2:
            raise SystemExit
        return count

    monkeypatch.setattr(batches, "insert_codes", deadly)
    with pytest.raises(SystemExit):
        running.run(job.pk)
    monkeypatch.undo()
    job.refresh_from_db()
    assert (job.done, codes_of(one)) == (2, FIVE[:2]), "the chunk it died in is as if it never was"
    Job.objects.update(leased_until=timezone.now())
    running.run(job.pk)
    job.refresh_from_db()
    assert (job.state, job.result) == ("done", {"codes": 5, "existed_already": 0})
    assert codes_of(one) == FIVE
    assert CodeBatch.objects.get(book=one).status == "done"


@pytest.mark.slow
def test_nearly_all_rows_may_be_rejected(client, monkeypatch):
    """Each with the sentence that says why: more than what was brought."""
    monkeypatch.setattr(brought, "AT_ONCE", 2_000)
    good = [f"GOLD-{number}" for number in range(2_001)]
    job = begun(client, book(), good + ["!"] * (rules.MAX_UPLOADED - len(good)))
    assert sum(1 for _ in brought.left_out(job)) == rules.MAX_UPLOADED - 2_001


def test_codes_that_others_brought_meanwhile_are_left_out_and_told(client):
    one = book()
    job = begun(client, one)
    named(book(), "gold 3")
    running.run(job.pk)
    assert codes_of(one) == ["GOLD-0", "GOLD-1", "GOLD-2", "GOLD-4"]
    words = words_of(page_of(client, job))
    assert "4 codes brought into the book. 1 existed already by then." in words
    batch = CodeBatch.objects.get(book=one)
    assert (batch.status, batch.done, batch.total) == ("cancelled", 4, 5)


def one_step(job):
    Job.objects.update(lease_token="0" * 32, state="running")
    return running._step(job.pk, "0" * 32)


def test_it_is_stopped_and_taken_up_from_either_page(client):
    one = book()
    job = begun(client, one)
    one_step(job)
    first = CodeBatch.objects.get(book=one)
    confirm(client, client.get(f"/admin/accounts/job/{job.pk}/cancel/"))
    first.refresh_from_db()
    assert (first.status, first.done) == ("cancelled", 2)
    jobs.again(job.pk)
    one_step(job)
    second = CodeBatch.objects.exclude(pk=first.pk).get(book=one)
    assert (second.total, second.done) == (3, 2)
    batches.cancel(one.pk, second.pk)
    assert running._step(job.pk, "0" * 32) is False
    job.refresh_from_db()
    assert (job.state, job.done) == ("cancelled", 4)
    jobs.again(job.pk)
    running.run(job.pk)
    job.refresh_from_db()
    assert (job.state, job.result) == ("done", {"codes": 5, "existed_already": 0})
    assert codes_of(one) == FIVE


def test_a_book_that_ended_or_a_role_that_is_gone_ends_it(client, ended):
    one = book()
    job = begun(client, one)
    ended(one)
    running.run(job.pk)
    job.refresh_from_db()
    assert (job.state, job.error) == ("failed", "The book has ended.")
    Job.objects.all().delete()
    job = begun(client, book())
    User.objects.filter(pk=job.actor_id).update(role="ops")
    running.run(job.pk)
    job.refresh_from_db()
    assert (job.state, job.error) == ("failed", "Who asked for it may not do this any more.")
    assert not Coupon.objects.exists()


def test_one_that_fails_halfway_closes_its_batch_and_can_go_on(client):
    one = book()
    job = begun(client, one)
    one_step(job)
    User.objects.filter(pk=job.actor_id).update(role="ops")
    Job.objects.update(lease_token=None, leased_until=None)
    running.run(job.pk)
    job.refresh_from_db()
    batch = CodeBatch.objects.get(book=one)
    assert (job.state, batch.status, batch.done) == ("failed", "cancelled", 2)
    entry = AuditEntry.objects.get(action="book.cancel_batch")
    assert (entry.reason, entry.actor_user_id) == ("Its job failed.", job.actor_id)
    User.objects.filter(pk=job.actor_id).update(role="marketer")
    jobs.again(job.pk)
    running.run(job.pk)
    assert codes_of(one) == FIVE
    rest = CodeBatch.objects.exclude(pk=batch.pk).get(book=one)
    assert (rest.status, rest.done) == ("done", 3)


def test_the_same_upload_sent_twice_is_one_job(client):
    one = book()
    address = f"{BOOKS}{one.pk}/upload/"
    page = client.post(address, {"pasted": "\n".join(FIVE)})
    first, second = (client.post(address, dict(page.context["hidden"])) for _ in range(2))
    assert first["Location"] == second["Location"]
    assert (Job.objects.count(), JobInput.objects.count()) == (1, 3)


def test_no_upload_is_longer_than_a_job_takes():
    assert rules.MAX_UPLOADED <= brought.MOST_ROWS
