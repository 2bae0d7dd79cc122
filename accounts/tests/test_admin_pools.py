"""People into and out of a pool by a list: a verdict on each line, then what was seen."""

import csv
import io
import re

import pytest
from django.contrib.messages import get_messages
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import AuditEntry, User
from accounts.services import pool_lines, pools, users
from accounts.tests.factories import PoolFactory, UserFactory

pytestmark = pytest.mark.django_db


def logged_in(role):
    client = Client()
    client.force_login(UserFactory(role=role))
    return client


@pytest.fixture
def client():
    return logged_in("marketer")


@pytest.fixture
def pool():
    return PoolFactory(name="Friends")


def members(pool):
    return set(pool.users.values_list("pk", flat=True))


def address(pool):
    return f"/admin/accounts/pool/{pool.pk}/members/"


def sent(client, pool, pasted="", move="add", **more):
    return client.post(address(pool), {"move": move, "pasted": pasted, **more})


def verdicts(page):
    return [row.verdict for row in page.context["judged"].rows]


def carried(client, pool, page, **more):
    return client.post(address(pool), dict(page.context["hidden"]) | more)


def said(answer):
    return [str(message) for message in get_messages(answer.wsgi_request)]


def test_each_line_has_its_verdict_then_they_join(client, pool):
    alice = users.create_user(name="Alice", email="alice@example.com", source_id="s-1")
    bob = UserFactory(source_id="777")
    inside = UserFactory()
    pools.add_users(pool.pk, user_ids=[inside.pk])
    pasted = f"Alice@Example.com\n{bob.pk}\n\ns-1\n777\n{inside.pk}\nnobody@example.com\nzzz\n"
    page = sent(client, pool, pasted)
    assert verdicts(page) == [
        "Joins", "Joins", "Named twice", "Named twice", "Is in already", "Unknown", "Unknown",
    ]  # fmt: skip
    assert members(pool) == {inside.pk}, "nothing is written yet"

    rejected = carried(client, pool, page, rejected="1")
    rows = list(csv.DictReader(io.StringIO(rejected.content.decode())))
    assert [row["row"] for row in rows] == ["3", "4", "5", "6", "7"]
    assert members(pool) == {inside.pk}

    left_out = "5 rows left out: is in already (1), named twice (2), unknown (2)."
    assert said(carried(client, pool, page)) == [f"2 people put into the pool. {left_out}"]
    assert members(pool) == {inside.pk, alice.pk, bob.pk}
    entry = AuditEntry.objects.filter(action="pool.add_users").latest("pk")
    assert (entry.via, entry.after) == ("admin", {"user_ids": sorted([alice.pk, bob.pk])})


def test_a_number_is_an_id_before_it_is_a_source_id(client, pool):
    first = UserFactory()
    UserFactory(source_id=str(first.pk))
    carried(client, pool, sent(client, pool, str(first.pk)))
    assert members(pool) == {first.pk}


def test_people_are_taken_out_too(client, pool):
    inside, outside = UserFactory(), UserFactory()
    pools.add_users(pool.pk, user_ids=[inside.pk])
    page = sent(client, pool, f"{inside.pk}\n{outside.pk}", move="remove")
    assert verdicts(page) == ["Leaves", "Is not in"]
    told = "1 person taken out of the pool. 1 row left out: is not in (1)."
    assert said(carried(client, pool, page)) == [told]
    assert members(pool) == set()


def test_a_file_brings_them_too(client, pool):
    alice = users.create_user(name="Alice", email="alice@example.com")
    bob = UserFactory(source_id="s-2")
    text = f"\ufeffName;E-mail;source_id\nAlice;alice@example.com;\nBob;;{bob.source_id}\n;;\nX;;\n"
    file = io.BytesIO(text.encode())
    file.name = "people.csv"
    page = sent(client, pool, file=file)
    assert verdicts(page) == ["Joins", "Joins", "Unknown"]
    carried(client, pool, page)
    assert members(pool) == {alice.pk, bob.pk}


def test_a_file_is_read_no_further_than_it_may_go():
    read = pool_lines.lines_of(b"id\n" + b"12\n" * (2 * pool_lines.MOST))
    assert pool_lines.MOST < len(read) <= pool_lines.MOST + 2


def test_verdicts_that_changed_are_shown_again(client, pool):
    alice, bob = UserFactory(), UserFactory()
    page = sent(client, pool, f"{alice.pk}\n{bob.pk}")
    pools.add_users(pool.pk, user_ids=[alice.pk])
    again = carried(client, pool, page)
    assert verdicts(again) == ["Is in already", "Joins"]
    assert members(pool) == {alice.pk}
    carried(client, pool, again)
    assert members(pool) == {alice.pk, bob.pk}


def test_the_erased_are_nobody(client, pool):
    from accounts.services.erasure import erase_user

    gone = UserFactory()
    erase_user(gone.pk, reason="asked")
    assert verdicts(sent(client, pool, str(gone.pk))) == ["Unknown"]


def test_a_list_takes_few_queries_whatever_its_length(client, pool):
    def queries(lines):
        with CaptureQueriesContext(connection) as captured:
            assert sent(client, pool, "\n".join(lines)).status_code == 200
        return len(captured)

    one = queries([str(UserFactory().pk)])
    assert queries([str(UserFactory().pk) for _ in range(20)]) == one <= 14


def test_the_page_of_a_large_pool_is_no_heavier_than_others(client, pool):
    people = User.objects.bulk_create(User(source_id=f"s-{number}") for number in range(2_000))
    pools.add_users(pool.pk, user_ids=[one.pk for one in people])
    address = f"/admin/accounts/pool/{pool.pk}/change/"
    page = client.get(address)
    assert len(page.content) <= 150 * 1024
    links = re.findall(r'href="(\?memberships-page=[0-9]+#[a-z-]+)"', page.content.decode())
    assert links[-1] == "?memberships-page=167#memberships-group"

    # Whoever is on the last page, which is not full, is taken out from there.
    last = client.get(f"{address}?memberships-page=167")
    assert f"/admin/accounts/user/{people[-1].pk}/change/" in last.content.decode()
    form = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', last.content.decode()))
    assert form["memberships-TOTAL_FORMS"] == "8"
    form |= {"name": pool.name, "description": "", "memberships-7-DELETE": "on"}
    assert client.post(address, form).status_code == 302
    assert people[-1].pk not in members(pool)
    assert len(members(pool)) == 1_999


def test_nonsense_is_refused_at_the_form(client, pool):
    for given in ({"pasted": ""}, {"pasted": "a\x00b"}, {"pasted": "1", "move": "explode"},
                  {"file": io.BytesIO(b"\xff\xfe")}, {"file": io.BytesIO(b"a,b\n1,2\n")},
                  {"file": io.BytesIO(b"email\nx\x00")}):  # fmt: skip
        page = sent(client, pool, **given)
        assert page.status_code == 200, given
        assert page.context["form"].errors, given
    for rows in ("", "x", "[]", "[1]", '["a\\u0000b"]'):
        answer = client.post(address(pool), {"rows": rows, "move": "add"})
        assert answer.status_code == 400, rows
    odd = ["9" * 400, str(2**70), "@", "@@", "é@é.é", "x" * 5000, "%", "'", "\u202e"]
    assert set(verdicts(sent(client, pool, "\n".join(odd)))) == {"Unknown"}
    assert client.get("/admin/accounts/pool/4040/members/").status_code == 404
    assert members(pool) == set()


@pytest.mark.parametrize("role", ["viewer", "ops"])
def test_others_move_nobody(role, pool):
    client = logged_in(role)
    user = UserFactory()
    page = client.get(f"/admin/accounts/pool/{pool.pk}/change/").content.decode()
    assert "Paste or upload" not in page
    assert client.get(address(pool)).status_code == 403
    assert sent(client, pool, str(user.pk)).status_code == 403
    forged = {"rows": f'["{user.pk}"]', "move": "add", "plan": "x"}
    assert client.post(address(pool), forged).status_code == 403
    assert members(pool) == set()
