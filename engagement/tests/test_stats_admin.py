"""The stats in the admin: rates by hour, a check against the facts, and the rebuild."""

from dataclasses import replace

import pytest
from django.db import connection, connections

from accounts.jobs import running
from accounts.models import AuditEntry, Job
from accounts.tests.threads import together
from engagement import rebuild_job
from engagement.models import EventStat
from engagement.tests.factories import event, send_and_process
from promopulse.lib.errors import PlanChanged
from promotions.tests.admin_pages import logged_in
from promotions.tests.factories import ActivePromotionFactory
from subscriptions.tests.factories import SubscriptionFactory

pytestmark = pytest.mark.django_db(transaction=True)
LIST = "/admin/engagement/eventstat/"
CHECK, REBUILD = f"{LIST}act/stats_check/", f"{LIST}act/stats_rebuild/"


@pytest.fixture
def subscription():
    """Eight views, two clicks, one redemption."""
    made = SubscriptionFactory()
    kinds = ["VIEW"] * 8 + ["CLICK"] * 2 + ["REDEEM"]
    send_and_process(*(event(subscription_id=made.pk, type=kind) for kind in kinds))
    return made


@pytest.fixture
def ops():
    return logged_in("ops")[0]


def words(page):
    return " ".join(page.content.decode().split())


def confirm(client, address, **given):
    """Confirm the plan of a page, then let a worker do the job it started."""
    plan = client.get(address).context["plan"].hash
    told = client.post(address, {"plan": plan, **given})
    job = Job.objects.latest("pk")
    assert told["Location"] == f"/admin/accounts/job/{job.pk}/change/"
    running.run(job.pk)
    job.refresh_from_db()
    assert job.state == "done", job.error
    return job


def outcome(client, job):
    return words(client.get(f"/admin/accounts/job/{job.pk}/change/"))


def test_rates_stand_beside_the_counts(ops, subscription, django_assert_max_num_queries):
    with django_assert_max_num_queries(12):
        page = ops.get(LIST, {"q": subscription.promotion_id})
    rows = {row.type: row for row in page.context["cl"].result_list}
    shares = {kind: page.context["cl"].model_admin.rate(row) for kind, row in rows.items()}
    assert shares == {"VIEW": "-", "CLICK": "25.0 %", "REDEEM": "12.5 %"}
    assert f"{subscription.promotion.name}: from view to redemption" in words(page)
    assert f">{subscription.promotion.name}</a>" in words(page)


def test_more_than_the_views_of_an_hour_are_no_share(ops):
    made = SubscriptionFactory()
    kinds = ["VIEW", "CLICK", "CLICK"]
    send_and_process(*(event(subscription_id=made.pk, type=kind) for kind in kinds))
    page = ops.get(LIST, {"q": made.promotion_id})
    rows = {row.type: row for row in page.context["cl"].result_list}
    assert page.context["cl"].model_admin.rate(rows["CLICK"]) == "more than its 1 view"
    assert "from view to redemption" not in words(ops.get(LIST))


def test_a_rate_is_of_the_same_promotion_and_hour(ops, subscription):
    other = SubscriptionFactory(promotion=ActivePromotionFactory())
    send_and_process(event(subscription_id=other.pk, type="CLICK"))
    page = ops.get(LIST, {"q": other.promotion_id})
    (row,) = page.context["cl"].result_list
    assert page.context["cl"].model_admin.rate(row) == "-"


def test_a_check_finds_what_is_wrong_and_leaves_it(ops, subscription):
    EventStat.objects.filter(type="VIEW").update(events=99)
    assert "Last compared</dt><dd>never" in words(ops.get(CHECK))
    job = confirm(ops, CHECK)
    assert (job.result["wrong"], job.result["counts"], job.result["mended"]) == (1, 1, 0)
    assert EventStat.objects.get(type="VIEW").events == 99
    assert "1 row differed from the facts; nothing was changed." in outcome(ops, job)
    assert "1 row differed" in words(ops.get(REBUILD))


def test_a_rebuild_mends_it_and_is_in_the_trail(ops, subscription):
    EventStat.objects.filter(type="VIEW").update(events=99)
    job = confirm(ops, REBUILD, reason="After the restore")
    assert job.result["mended"] == 1
    assert "1 row differed from the facts; now they agree." in outcome(ops, job)
    assert EventStat.objects.get(type="VIEW").events == 8
    entry = AuditEntry.objects.get(action="stats.rebuild")
    assert (entry.reason, entry.actor_user.role) == ("After the restore", "ops")
    check = confirm(ops, CHECK)
    assert check.result["wrong"] == 0
    assert "Nothing differed: the stats agree with the facts." in outcome(ops, check)
    assert "nothing differed" in words(ops.get(REBUILD))


def test_a_plan_that_is_old_is_reviewed_again(ops, subscription):
    plan = ops.get(REBUILD).context["plan"].hash
    confirm(ops, CHECK)
    jobs = Job.objects.count()
    told = ops.post(REBUILD, {"plan": plan}, follow=True)
    assert "review it again" in words(told)
    assert Job.objects.count() == jobs


def test_one_at_a_time(ops, subscription):
    ops.post(CHECK, {"plan": ops.get(CHECK).context["plan"].hash})
    page = words(ops.get(REBUILD))
    assert "There is nothing to do" in page
    assert f"/admin/accounts/job/{Job.objects.get().pk}/change/" in page


def test_two_at_the_same_moment_are_one_job(ops, subscription):
    made = rebuild_job.plan("stats_check")

    def asked():
        return rebuild_job.start(made, expect_plan=made.hash).pk

    assert len(set(together(*[asked] * 4))) == 1
    assert Job.objects.count() == 1
    with pytest.raises(PlanChanged):  # planned before the check was begun
        rebuild_job.start(replace(made, kind="stats_rebuild"), expect_plan=None)
    assert Job.objects.count() == 1


@pytest.mark.parametrize("role", ["viewer", "marketer"])
def test_who_only_reads_has_no_buttons_and_is_refused(subscription, role):
    client = logged_in(role)[0]
    assert "stats_rebuild" not in words(client.get(LIST))
    for address in (CHECK, REBUILD):
        assert client.get(address).status_code == 403
        assert client.post(address, {"plan": "x"}).status_code == 403
    assert not Job.objects.exists()


def test_there_is_no_other_act(ops):
    assert ops.get(f"{LIST}act/forget/").status_code == 404


def test_nobody_waits_for_a_job_that_is_being_done(ops, subscription):
    """A step may outlast its lease; another worker then leaves the job alone."""
    ops.post(CHECK, {"plan": ops.get(CHECK).context["plan"].hash})
    job = Job.objects.get()
    holder = connections.create_connection("default")
    try:
        holder.ensure_connection()
        holder.set_autocommit(False)
        with holder.cursor() as cursor:
            cursor.execute("SELECT 1 FROM accounts_job WHERE id = %s FOR NO KEY UPDATE", [job.pk])
        with connection.cursor() as cursor:
            cursor.execute("SET statement_timeout = '2s'")
        running.run(job.pk)
    finally:
        holder.close()
        with connection.cursor() as cursor:
            cursor.execute("RESET statement_timeout")
    job.refresh_from_db()
    assert (job.state, job.tries) == ("waiting", 0)
    running.run(job.pk)
    job.refresh_from_db()
    assert job.state == "done"
