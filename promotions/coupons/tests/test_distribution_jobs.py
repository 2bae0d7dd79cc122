"""Large distributions and undoing them, by jobs: all of the plan or nothing, once."""

import pytest
from django.utils import timezone

from accounts import jobs
from accounts.jobs import brought, running
from accounts.models import AuditEntry, Job, User
from accounts.services.pools import add_users
from accounts.tests.factories import PoolFactory, PoolMembershipFactory, UserFactory
from promotions.coupons.errors import ConcurrentRedemption
from promotions.coupons.models import Coupon, Distribution
from promotions.coupons.services import distributing, distribution_jobs, holding
from promotions.coupons.tests.admin_pages import DISTRIBUTIONS, ask, confirm, words_of
from promotions.coupons.tests.test_admin_distributions import asked, filled
from promotions.tests.admin_pages import logged_in, said

pytestmark = pytest.mark.django_db
PAGE = f"{DISTRIBUTIONS}distribute/"


@pytest.fixture(autouse=True)
def _two_at_once(monkeypatch):
    monkeypatch.setattr(brought, "AT_ONCE", 2)


@pytest.fixture
def client():
    return logged_in("marketer")[0]


@pytest.fixture
def pool():
    made = PoolFactory(name="Friends")
    for _ in range(3):
        PoolMembershipFactory(pool=made, user=UserFactory())
    return made


def begun(client, page, **given):
    answer = confirm(client, page, **given)
    job = Job.objects.latest("pk")
    assert answer["Location"] == f"/admin/accounts/job/{job.pk}/change/"
    return job


def page_of(client, job):
    return client.get(f"/admin/accounts/job/{job.pk}/change/")


def fresh(job):
    job.refresh_from_db()
    return job


def given():
    return Coupon.objects.filter(state="ASSIGNED").count()


def test_a_large_one_is_given_and_taken_back_by_jobs_with_the_same_reports(client, pool):
    one = filled(10)
    job = begun(client, ask(client, PAGE, **asked(pool, one)), reason="June")
    assert (job.total, given()) == (3, 0)
    running.run(job.pk)
    found = Distribution.objects.get()
    assert (fresh(job).state, job.done, given()) == ("done", 3, 3)
    page = page_of(client, job)
    assert "3 coupons given to 3 people." in words_of(page)
    undo = f"{DISTRIBUTIONS}{found.pk}/undo/"
    assert undo in page.content.decode()
    assert f"{DISTRIBUTIONS}{found.pk}/change/" in page.content.decode()
    assert AuditEntry.objects.get(action="book.distribute").reason == "June"

    back = begun(client, client.get(undo), reason="Wrong book")
    assert given() == 3
    running.run(back.pk)
    assert (fresh(back).state, given()) == ("done", 0)
    assert "3 coupons taken back." in words_of(page_of(client, back))
    assert undo not in page_of(client, job).content.decode()
    assert AuditEntry.objects.get(action="book.undo_distribution").reason == "Wrong book"


def test_it_gives_what_the_plan_showed(client, pool):
    one = filled(20)
    page = ask(client, PAGE, **asked(pool, one, mode="random", counted="all", how_many=11))
    running.run(begun(client, page).pk)
    shares = page.context["plan"].sharing.shares
    assert shares == {user: Coupon.objects.filter(assigned_to_id=user).count() for user in shares}


@pytest.mark.parametrize("service", ["distribute", "undo"])
def test_a_worker_killed_midway_leaves_nothing_and_the_next_does_it_once(
    client, pool, monkeypatch, service
):
    one = filled(10)
    if service == "undo":
        found = distributing.distribute(pool.pk, book_id=one.pk, mode="equal", count=3)
        page = client.get(f"{DISTRIBUTIONS}{found.distribution.pk}/undo/")
    else:
        page = ask(client, PAGE, **asked(pool, one))
    before, after = (3, 0) if service == "undo" else (0, 3)
    job = begun(client, page)
    real = getattr(distributing, service)

    def deadly(*args, **named):
        real(*args, **named)
        raise SystemExit

    monkeypatch.setattr(distributing, service, deadly)
    with pytest.raises(SystemExit):
        running.run(job.pk)
    assert (given(), fresh(job).done) == (before, 0)
    monkeypatch.setattr(distributing, service, real)
    for _ in range(2):
        Job.objects.update(leased_until=timezone.now())
        running.run(job.pk)
    assert (fresh(job).state, job.done, given()) == ("done", 3, after)
    assert Distribution.objects.count() == 1


def test_a_plan_that_changed_before_the_worker_came_gives_nothing(client, pool):
    job = begun(client, ask(client, PAGE, **asked(pool, filled(10))))
    add_users(pool.pk, user_ids=[UserFactory().pk])
    running.run(job.pk)
    assert (fresh(job).state, job.error) == ("failed", "The plan changed, review it again.")
    assert (given(), Distribution.objects.count()) == (0, 0)
    links = dict(page_of(client, job).context["links"])
    assert client.get(links["Review it again"]).context["plan"].count == 4


def test_a_plan_is_one_job_however_often_it_is_sent(client, pool):
    page = ask(client, PAGE, **asked(pool, filled(10)))
    first, second = confirm(client, page), confirm(client, page)
    assert first["Location"] == second["Location"]
    running.run(Job.objects.get().pk)
    assert said(confirm(client, page))[-1].startswith("The plan changed")
    assert (given(), Job.objects.count()) == (3, 1)
    undo = client.get(f"{DISTRIBUTIONS}{Distribution.objects.get().pk}/undo/")
    first, second = confirm(client, undo), confirm(client, undo)
    assert first["Location"] == second["Location"]
    assert Job.objects.count() == 2
    for forged in ("", "x"):
        client.post(page.wsgi_request.get_full_path(), {"plan": forged})
    assert Job.objects.count() == 2


def test_what_is_in_the_way_of_undoing_is_told_and_nothing_taken(client, pool):
    one = filled(5)
    found = distributing.distribute(pool.pk, book_id=one.pk, mode="equal", count=3).distribution
    job = begun(client, client.get(f"{DISTRIBUTIONS}{found.pk}/undo/"))
    coupon = found.coupons.first()
    holding.lock(coupon.code, user_id=coupon.assigned_to_id)
    running.run(job.pk)
    assert (fresh(job).state, job.error) == ("failed", "1 of its coupons are locked.")
    assert found.coupons.count() == 3
    assert "1 of its coupons are locked." in words_of(page_of(client, job))


def test_what_others_hold_is_waited_for(client, pool, monkeypatch):
    job = begun(client, ask(client, PAGE, **asked(pool, filled(5))))
    real = distributing.distribute

    def held(*_args, **_named):
        raise ConcurrentRedemption()

    monkeypatch.setattr(distribution_jobs.distributing, "distribute", held)
    running.run(job.pk)
    assert (fresh(job).state, job.tries) == ("running", 0)
    monkeypatch.setattr(distribution_jobs.distributing, "distribute", real)
    Job.objects.update(leased_until=timezone.now())
    running.run(job.pk)
    assert (fresh(job).state, given()) == ("done", 3)


def test_one_that_was_stopped_before_it_began_gives_nothing(client, pool):
    job = begun(client, ask(client, PAGE, **asked(pool, filled(5))))
    jobs.cancel(job.pk)
    running.run(job.pk)
    assert given() == 0
    jobs.again(job.pk)
    running.run(job.pk)
    assert given() == 3


def test_who_lost_the_role_gives_and_takes_nothing(client, pool):
    job = begun(client, ask(client, PAGE, **asked(pool, filled(10))))
    User.objects.filter(pk=job.actor_id).update(role="viewer")
    running.run(job.pk)
    assert (fresh(job).state, given()) == ("failed", 0)
    assert job.error == "Who asked for it may not do this any more."


def test_the_plan_says_that_a_job_will_do_it(client, pool, monkeypatch):
    page = ask(client, PAGE, **asked(pool, filled(5)))
    assert "That many are given by a job." in words_of(page)
    monkeypatch.setattr(brought, "AT_ONCE", 3)
    assert "by a job" not in words_of(client.get(page.wsgi_request.get_full_path()))
