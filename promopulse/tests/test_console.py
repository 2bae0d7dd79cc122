"""The admin as a whole: what each role finds on its shelf, quick lists, exports."""

import csv
import io
import re
from html import unescape

import pytest
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts import audit
from accounts.admin.users import TABS as USER_TABS
from accounts.jobs import running
from accounts.models import Job, User
from accounts.tests.factories import UserFactory
from promopulse.console import navigation
from promopulse.lib.admin import BaseAdmin
from promotions.admin.pages import TABS as PROMOTION_TABS
from promotions.discounts.tests.carts import grant
from promotions.discounts.tests.factories import CampaignFactory
from promotions.tests.admin_pages import logged_in
from promotions.tests.factories import ActivePromotionFactory, PromotionFactory
from subscriptions.tests.factories import SubscriptionFactory

pytestmark = pytest.mark.django_db

MOST_QUERIES, MOST_QUERIES_OF_A_ROW = 12, 18
MOST_BYTES = 150 * 1024  # of HTML; the theme's own files are kept by browsers


def sidebar(client):
    groups = client.get("/admin/").context["sidebar_navigation"]
    return {group["title"]: [item["title"] for item in group["items"]] for group in groups}


def test_everybody_finds_what_is_theirs():
    marketer = sidebar(logged_in("marketer")[0])
    assert marketer["Campaigns"][:3] == ["Dashboard", "Promotions", "Subscriptions"]
    assert "Dead letters" not in str(marketer)
    assert marketer["Operations"] == ["Jobs"]
    ops = sidebar(logged_in("ops")[0])
    assert "Dead letters" in ops["Traffic"]
    assert "Audit" in ops["Operations"]
    assert "API keys" not in str(ops)
    assert "API keys" in sidebar(logged_in("admin")[0])["Operations"]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("promotions/promotion/", ["Campaigns", "Promotions"]),
        ("promotions/promotion/{pk}/change/", ["Campaigns", "Promotions", "spring <3"]),
        ("promotions/promotion/{pk}/why-not/", ["Campaigns", "Promotions", "spring <3"]),
        ("promotions/promotion/move/pause/?ids={pk}", ["Campaigns", "Promotions"]),
        ("coupons/couponbook/", ["Coupons", "Books"]),
        ("coupons/coupon/", ["Coupons"]),
    ],
)
def test_a_page_says_where_it_is_in_the_words_of_the_sidebar(path, said):
    promotion = CampaignFactory(name="spring <3")
    page = logged_in("marketer")[0].get(f"/admin/{path.format(pk=promotion.pk)}")
    trail = page.content.decode().partition("<h1")[2].partition("</h1>")[0]
    words = [unescape(word).strip() for word in re.findall(r">([^<>]+)<", trail)]
    assert [word for word in words if word and word != "chevron_right"] == said


def test_the_label_of_the_installation(settings):
    client, _ = logged_in("admin")
    settings.ENVIRONMENT_LABEL = ""
    assert client.get("/admin/").context["environment"] is None
    settings.ENVIRONMENT_LABEL = "Production"
    assert client.get("/admin/").context["environment"] == ("Production", "danger")
    assert "Production" in client.get("/admin/").content.decode()
    settings.ENVIRONMENT_LABEL = "Staging"
    assert navigation.environment(None) == ("Staging", "info")


def lists():
    return [
        reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        for model in admin.site._registry
    ]


def test_every_list_opens_with_few_queries():
    client, _ = logged_in("admin")
    for address in lists():
        with CaptureQueriesContext(connection) as captured:
            page = client.get(address)
        assert page.status_code == 200, address
        assert len(captured) <= MOST_QUERIES, (address, len(captured))
        asked = " ".join(one["sql"] for one in captured)
        assert "SELECT DISTINCT" not in asked, f"a filter of {address} reads the table"


def test_pages_of_one_row_take_few_queries_and_weigh_little():
    client, _ = logged_in("admin")
    subscription = SubscriptionFactory(promotion=CampaignFactory(budget=100))
    promotion, person = subscription.promotion, subscription.user
    redemption = grant(promotion, person)
    promotion_page = reverse("admin:promotions_promotion_change", args=[promotion.pk])
    person_page = reverse("admin:accounts_user_change", args=[person.pk])
    pages = [
        reverse("admin:index"),
        reverse("admin:discounts_redemption_change", args=[redemption.pk]),
        reverse("admin:promotions_promotion_why_not", args=[promotion.pk]),
        *(f"{promotion_page}?tab={tab.lower()}" for tab in PROMOTION_TABS),
        *(f"{person_page}?tab={tab.lower()}" for tab in USER_TABS),
    ]
    found = {}
    for address in pages:
        with CaptureQueriesContext(connection) as captured:
            page = client.get(address)
        assert page.status_code == 200, address
        if len(captured) > MOST_QUERIES_OF_A_ROW or len(page.content) > MOST_BYTES:
            found[address] = (len(captured), len(page.content))
    assert found == {}


def test_an_empty_list_says_what_to_do_next():
    client, _ = logged_in("marketer")
    words = client.get(reverse("admin:promotions_promotion_changelist")).content.decode()
    assert "No promotions" in words
    assert "starts as a draft" in words
    nothing = client.get(reverse("admin:promotions_promotion_changelist"), {"q": "zzz"})
    assert "Nothing matches" in nothing.content.decode()


def test_a_list_is_read_on_to_its_end_without_counting_pages(monkeypatch):
    monkeypatch.setattr(BaseAdmin, "list_per_page", 3)
    monkeypatch.setattr("promopulse.lib.admin.lists.COUNTED_TO", 4)
    client, _ = logged_in("admin")
    people = UserFactory.create_batch(8, role="customer")
    address = reverse("admin:accounts_user_changelist")
    seen, query = [], "?role__exact=customer"
    while query:
        page = client.get(f"{address}{query}")
        seen += [row.pk for row in page.context["cl"].result_list]
        query = page.context["cl"].older_url()
        if query:
            assert "role__exact=customer" in query
            assert unescape(query) in unescape(page.content.decode())
            last = query
    assert seen == sorted((one.pk for one in people), reverse=True)
    assert (
        "Newest"
        in client.get(f"{reverse('admin:accounts_user_changelist')}{last}").content.decode()
    )
    nonsense = client.get(reverse("admin:accounts_user_changelist"), {"older": "x", "o": "1"})
    assert nonsense.context["cl"].older_url() == ""


def exported(client, name, **query):
    page = client.get(reverse(f"admin:{name}_export"), query)
    assert page["Content-Type"].startswith("text/csv")
    return list(csv.DictReader(io.StringIO(b"".join(page.streaming_content).decode())))


def test_an_address_asks_no_more_than_a_list_offers():
    """A count of each choice, or an order that is not offered, would read the table."""
    client, _ = logged_in("admin")
    for model, model_admin in admin.site._registry.items():
        url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        usual = client.get(url).context["cl"]
        offered = set(usual.sortable_by)
        columns = [i for i, name in enumerate(usual.list_display) if name not in offered]
        asked = ".".join(map(str, columns))
        page = client.get(f"{url}?_facets=True&o={asked}").context["cl"]
        assert not page.add_facets, model
        assert set(page.queryset.query.order_by) == set(usual.queryset.query.order_by), model
        assert model_admin.sortable_by is not None, model


def test_this_filter_is_exported(monkeypatch):
    monkeypatch.setattr("promopulse.lib.admin.export.ROWS_A_PAGE", 2)
    client, _ = logged_in("marketer")
    PromotionFactory.create_batch(2)
    running = ActivePromotionFactory.create_batch(5, budget=10)
    page = client.get(reverse("admin:promotions_promotion_changelist"), {"status": "active"})
    link = re.search(r'method="post" action="([^"]+export/[^"]*)"', page.content.decode())[1]
    assert link.endswith("export/?status=active")
    rows = exported(client, "promotions_promotion", status="active")
    assert [int(row["id"]) for row in rows] == sorted((one.pk for one in running), reverse=True)
    assert (rows[0]["budget_total"], rows[0]["status"]) == ("10.00", "active")
    assert len(exported(client, "promotions_promotion")) == 7


def test_an_export_masks_what_the_list_masks_and_runs_nowhere():
    UserFactory(email="alice@example.com")
    PromotionFactory(name="=1+1")
    client, _ = logged_in("marketer")
    words = str(exported(client, "accounts_user"))
    assert "alice@example.com" not in words
    assert "a***e@e***.com" in words
    (promotion,) = exported(client, "promotions_promotion")
    assert promotion["name"] == "'=1+1"


def test_an_export_is_for_those_who_see_the_list():
    address = reverse("admin:accounts_auditentry_export")
    assert logged_in("marketer")[0].get(address).status_code == 403
    assert logged_in("ops")[0].get(address).status_code == 200
    assert Client().get(address).status_code == 302
    assert User.objects.count() == 2


def test_many_rows_are_exported_by_a_job(monkeypatch):
    monkeypatch.setattr("promopulse.lib.admin.export.AT_ONCE", 3)
    monkeypatch.setattr("promopulse.lib.admin.export.ROWS_A_PAGE", 2)
    client, user = logged_in("marketer")
    running_now = ActivePromotionFactory.create_batch(5)
    PromotionFactory()
    address = f"{reverse('admin:promotions_promotion_export')}?status=active"
    followed = client.get(address, follow=True)
    assert followed.redirect_chain[0][0].endswith("/promotion/?status=active")
    assert "press Export" in followed.content.decode()
    forged = Client(enforce_csrf_checks=True)
    forged.force_login(user)
    assert forged.post(address).status_code == 403
    assert not Job.objects.exists()

    answer = client.post(address)
    job = Job.objects.get()
    assert answer["Location"] == reverse("admin:accounts_job_change", args=[job.pk])
    running.run(job.pk)
    job.refresh_from_db()
    assert (job.state, job.done, job.total, job.actor_id) == ("done", 5, 5, user.pk)
    file = client.get(reverse("admin:accounts_job_file", args=[job.pk]))
    rows = list(csv.DictReader(io.StringIO(b"".join(file.streaming_content).decode())))
    assert [int(row["id"]) for row in rows] == [one.pk for one in reversed(running_now)]


def test_an_export_ends_with_the_right_to_it(monkeypatch):
    monkeypatch.setattr("promopulse.lib.admin.export.AT_ONCE", 0)
    client, user = logged_in("ops")
    client.post(reverse("admin:accounts_user_export"))
    User.objects.filter(pk=user.pk).update(role="customer")
    running.run(Job.objects.get().pk)
    job = Job.objects.get()
    assert (job.state, job.pieces.count()) == ("failed", 0)


def test_a_file_ends_with_the_right_to_its_list(monkeypatch):
    monkeypatch.setattr("promopulse.lib.admin.export.AT_ONCE", 0)
    client, user = logged_in("ops")
    audit.record("user.update", user, after={"role": "ops"})
    client.post(reverse("admin:accounts_auditentry_export"))
    job = Job.objects.get()
    running.run(job.pk)
    address = reverse("admin:accounts_job_file", args=[job.pk])
    assert client.get(address).status_code == 200
    User.objects.filter(pk=user.pk).update(role="marketer")  # who still sees jobs, but no audit
    page = client.get(reverse("admin:accounts_job_change", args=[job.pk]))
    assert page.status_code == 200
    assert address not in page.content.decode()
    assert client.get(address).status_code == 403


def test_no_job_keeps_an_address(monkeypatch):
    monkeypatch.setattr("promopulse.lib.admin.export.AT_ONCE", 0)
    UserFactory(email="alice@example.com")
    client, _ = logged_in("admin")
    assert len(exported(client, "accounts_user", q="alice@example.com")) == 1
    assert not Job.objects.exists()
