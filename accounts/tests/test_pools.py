"""Pools: who is in, how many, exactly."""

import pytest

from accounts.models import AuditEntry, Pool, PoolMembership
from accounts.services import pools
from accounts.tests.factories import PoolFactory, PoolMembershipFactory, UserFactory
from accounts.tests.threads import at_once
from promopulse.lib.errors import Invalid

pytestmark = pytest.mark.django_db

URL = "/api/v1/pools"


@pytest.fixture
def marketer(as_role):
    return as_role("marketer")


def test_make_read_change_remove(marketer):
    users = UserFactory.create_batch(2)
    body = {"name": "Beta", "user_ids": [user.pk for user in users] * 2}
    made = marketer.post(URL, body)
    assert (made.status_code, made.json()["user_count"]) == (201, 2)
    url = f"{URL}/{made.json()['id']}"
    assert marketer.get(url).json() == made.json()
    changed = marketer.patch(url, {"name": "Beta 2", "description": "Second"}).json()
    assert (changed["name"], changed["description"], changed["user_count"]) == (
        "Beta 2",
        "Second",
        2,
    )
    assert marketer.delete(url).status_code == 204
    assert marketer.get(url).status_code == 404
    actions = AuditEntry.objects.filter(object_type="pool").values_list("action", flat=True)
    assert sorted(actions) == ["pool.create", "pool.delete", "pool.update"]


def test_unknown_users_make_no_pool(marketer):
    answer = marketer.post(URL, {"name": "Beta", "user_ids": [987654]})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/user_ids")
    assert not Pool.objects.exists()


def test_a_name_is_taken_once(marketer):
    PoolFactory(name="Beta")
    assert marketer.post(URL, {"name": "Beta"}).json()["errors"][0]["pointer"] == "/name"
    other = PoolFactory(name="Gamma")
    assert marketer.patch(f"{URL}/{other.pk}", {"name": "Beta"}).status_code == 422
    other.refresh_from_db()
    assert other.name == "Gamma"


def test_users_join_and_leave_by_id_and_email(marketer):
    pool = PoolFactory()
    alice, bob, carol = (UserFactory(email=f"{name}@example.com") for name in "abc")
    PoolMembershipFactory(pool=pool, user=alice)
    body = {
        "user_ids": [alice.pk, bob.pk, 987654],
        "emails": ["C@example.com", "nobody@example.com", "b@example.com"],
    }
    added = marketer.post(f"{URL}/{pool.pk}/users", body)
    assert added.status_code == 200
    assert added.json() == {
        "added": 2,
        "already_in": 1,
        "unknown": [987654, "nobody@example.com"],
        "user_count": 3,
    }
    assert marketer.post(f"{URL}/{pool.pk}/users", body).json()["added"] == 0
    rows = marketer.get(f"{URL}/{pool.pk}/users").json()["results"]
    assert [row["id"] for row in rows] == [alice.pk, bob.pk, carol.pk]
    removed = marketer.delete(
        f"{URL}/{pool.pk}/users", {"user_ids": [alice.pk, 987654], "emails": ["c@example.com"]}
    )
    assert removed.json() == {"removed": 2, "not_in": 0, "unknown": [987654], "user_count": 1}
    assert marketer.get(f"{URL}/{pool.pk}").json()["user_count"] == 1


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/user_ids"),
        ({"user_ids": "all"}, "/user_ids"),
        ({"user_ids": [2**70]}, "/user_ids/0"),
        ({"user_ids": [True]}, "/user_ids/0"),
        ({"user_ids": list(range(1, 10_002))}, "/user_ids"),
        ({"emails": ["nobody"]}, "/emails/0"),
        ({"users": [1]}, "/users"),
    ],
)
def test_wrong_bodies(marketer, body, pointer):
    pool = PoolFactory()
    for method in (marketer.post, marketer.delete):
        answer = method(f"{URL}/{pool.pk}/users", body)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == pointer


def test_the_count_follows_every_way_in_and_out():
    pool, other = PoolFactory(), PoolFactory()
    users = UserFactory.create_batch(3)
    PoolMembership.objects.bulk_create(PoolMembership(pool=pool, user=user) for user in users)
    PoolMembershipFactory(pool=other, user=users[0])
    PoolMembership.objects.filter(user=users[0]).delete()
    pool.refresh_from_db()
    other.refresh_from_db()
    assert (pool.user_count, other.user_count) == (2, 0)


def test_a_refused_name_leaves_the_transaction_usable():
    PoolFactory(name="Beta")
    with pytest.raises(Invalid):
        pools.create_pool(name="Beta")
    assert pools.create_pool(name="Gamma").pk


@pytest.mark.django_db(transaction=True)
def test_joining_at_once_counts_each_user_once():
    pool = PoolFactory()
    users = UserFactory.create_batch(20)
    ids = [user.pk for user in users]
    results = at_once(
        lambda: pools.add_users(pool.pk, user_ids=ids[:15]),
        lambda: pools.add_users(pool.pk, user_ids=reversed(ids[5:])),
        times=3,
    )
    assert sum(moved.moved for _pool, moved in results) == 20
    pool.refresh_from_db()
    assert pool.user_count == 20 == pool.memberships.count()


def test_lists_take_one_query_however_long(marketer, django_assert_num_queries):
    pool = PoolFactory()
    for _ in range(2):
        PoolFactory.create_batch(3)
        PoolMembershipFactory.create_batch(3, pool=pool)
        with django_assert_num_queries(2):  # who asks, one page
            assert marketer.get(URL).status_code == 200
        with django_assert_num_queries(3):  # the pool besides
            assert marketer.get(f"{URL}/{pool.pk}/users").status_code == 200
