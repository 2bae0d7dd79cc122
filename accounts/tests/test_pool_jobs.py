"""Very many people into a pool, by a job: as shown, each once, by whom it is still allowed."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from accounts import jobs
from accounts.errors import BroughtGone
from accounts.jobs import brought, running
from accounts.models import AuditEntry, Job, JobInput, User
from accounts.pruning import prune_expired
from accounts.services import pool_lines, pools, users
from accounts.services.erasure import erase_user
from accounts.tests.factories import PoolFactory, UserFactory
from accounts.tests.test_admin_pools import carried, logged_in, members, said, sent

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _two_at_once(monkeypatch):
    monkeypatch.setattr(brought, "AT_ONCE", 2)


@pytest.fixture
def client():
    return logged_in("marketer")


@pytest.fixture
def pool():
    return PoolFactory(name="Friends")


def five():
    return [UserFactory() for _ in range(5)]


def begun(client, pool, people, move="add"):
    page = sent(client, pool, "\n".join(str(one.pk) for one in people), move)
    answer = carried(client, pool, page)
    job = Job.objects.get()
    assert answer["Location"] == f"/admin/accounts/job/{job.pk}/change/"
    return job


def killed_after(monkeypatch, steps):
    """The worker dies in the step after so many: its work is done, and not yet committed."""
    left = [steps]

    def deadly(_job):
        if not left[0]:
            raise SystemExit
        left[0] -= 1
        return real(_job)

    real = brought.is_more
    monkeypatch.setattr(brought, "is_more", deadly)


def dies(job):
    with pytest.raises(SystemExit):
        running.run(job.pk)
    Job.objects.update(leased_until=timezone.now())


def test_few_join_at_once(client, pool):
    page = sent(client, pool, "\n".join(str(UserFactory().pk) for _ in range(2)))
    assert said(carried(client, pool, page)) == ["2 people put into the pool."]
    assert not Job.objects.exists()


def test_many_join_by_a_job_that_ends_in_the_same_report(client, pool):
    people = five()
    job = begun(client, pool, people)
    assert (members(pool), job.total) == (set(), 5)
    running.run(job.pk)
    assert members(pool) == {one.pk for one in people}
    page = client.get(f"/admin/accounts/job/{job.pk}/change/").content.decode()
    assert "5 people put into the pool." in page
    assert f"/admin/accounts/pool/{pool.pk}/change/" in page
    assert not JobInput.objects.exists()
    entries = AuditEntry.objects.filter(action="pool.add_users")
    assert [len(one.after["user_ids"]) for one in entries] == [2, 2, 1]

    Job.objects.all().delete()
    job = begun(client, pool, people[:3], move="remove")
    running.run(job.pk)
    assert members(pool) == {one.pk for one in people[3:]}
    page = client.get(f"/admin/accounts/job/{job.pk}/change/").content.decode()
    assert "3 people taken out of the pool." in page


def test_a_worker_killed_between_chunks_leaves_the_rest_to_the_next(client, pool, monkeypatch):
    people = five()
    job = begun(client, pool, people)
    killed_after(monkeypatch, 1)
    dies(job)
    job.refresh_from_db()
    assert (len(members(pool)), job.done, job.result) == (2, 2, {"moved": 2})
    monkeypatch.undo()
    # Somebody takes one of them out meanwhile: a chunk that is done is not done again.
    first = min(members(pool))
    pools.remove_users(pool.pk, user_ids=[first])
    running.run(job.pk)
    job.refresh_from_db()
    assert members(pool) == {one.pk for one in people} - {first}
    assert (job.state, job.done, job.result) == ("done", 5, {"moved": 5})


def test_what_waits_tells_nobody_who_it_is(client, pool):
    alice = users.create_user(name="Alice", email="alice@example.com")
    lines = ["alice@example.com", "nobody@example.com", *(str(one.pk) for one in five())]
    page = sent(client, pool, "\n".join(lines))
    carried(client, pool, page)
    with connection.cursor() as cursor:
        cursor.execute("SELECT rows FROM accounts_jobinput ORDER BY id LIMIT 1")
        stored = bytes(cursor.fetchone()[0])
    assert stored.startswith(b"gAAAA"), "a token, not the rows"
    assert JobInput.objects.filter(number=0).get().rows.startswith(f"[{alice.pk},")
    assert "alice" not in str(Job.objects.values_list("params", "title").get())
    assert not JobInput.objects.filter(is_left_out=True).exists()
    job = Job.objects.get()
    running.run(job.pk)
    page = client.get(f"/admin/accounts/job/{job.pk}/change/").content.decode()
    assert "1 row left out: unknown (1). Their lines are not kept: they may hold" in page


def test_who_was_erased_meanwhile_does_not_join(client, pool):
    people = five()
    job = begun(client, pool, people)
    erase_user(people[4].pk, reason="asked")
    running.run(job.pk)
    assert members(pool) == {one.pk for one in people[:4]}
    job.refresh_from_db()
    assert job.result == {"moved": 4}


def test_who_lost_the_role_moves_nobody(client, pool):
    job = begun(client, pool, five())
    User.objects.filter(pk=job.actor_id).update(role="viewer")
    running.run(job.pk)
    job.refresh_from_db()
    assert (job.state, job.error) == ("failed", "Who asked for it may not do this any more.")
    assert members(pool) == set()


def test_a_line_that_names_another_person_by_now_is_shown_again(client, pool):
    first, second = UserFactory(source_id="s-1"), UserFactory()
    page = sent(client, pool, "s-1")
    User.objects.filter(pk=first.pk).update(source_id="s-0")
    User.objects.filter(pk=second.pk).update(source_id="s-1")
    again = carried(client, pool, page)
    assert said(again) == ["The plan changed, review it again."]
    assert members(pool) == set()
    carried(client, pool, again)
    assert members(pool) == {second.pk}


def test_the_same_list_sent_twice_is_one_job(client, pool):
    page = sent(client, pool, "\n".join(str(one.pk) for one in five()))
    first, second = carried(client, pool, page), carried(client, pool, page)
    assert first["Location"] == second["Location"]
    assert Job.objects.count() == 1
    assert JobInput.objects.count() == 3


def test_a_pool_that_is_gone_ends_it(client, pool):
    job = begun(client, pool, five())
    pools.delete_pool(pool.pk)
    running.run(job.pk)
    job.refresh_from_db()
    assert (job.state, job.done) == ("failed", 0)


def test_what_was_brought_is_kept_a_week_for_a_job_that_stopped(client, pool):
    people = five()
    job = begun(client, pool, people)
    jobs.cancel(job.pk)
    jobs.again(job.pk)
    jobs.cancel(job.pk)
    assert prune_expired()["job_input"] == 0
    Job.objects.update(finished_at=timezone.now() - timedelta(days=8))
    assert prune_expired()["job_input"] == 3
    with pytest.raises(BroughtGone):
        jobs.again(job.pk)
    assert members(pool) == set()


def test_no_list_is_longer_than_a_job_takes():
    assert pool_lines.MOST <= brought.MOST_ROWS
    with pytest.raises(ValueError, match="so much"):
        jobs.start("pool_members", title="x", params={}, rows=[1] * (brought.MOST_ROWS + 1))
    assert not Job.objects.exists()
