"""Encrypted columns: what they refuse, what they keep, how an e-mail is found."""

import pytest
from django.core.exceptions import FieldError
from django.db import IntegrityError, connection, transaction
from django.db.models import F, Value
from django.db.models.functions import Concat

from accounts import pii
from accounts.models import User
from accounts.tests.factories import UserFactory

pytestmark = pytest.mark.django_db


def raw(column):
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT encode({column}, 'escape') FROM accounts_user ORDER BY id")
        return [row[0] for row in cursor.fetchall()]


def test_columns_hold_ciphertext():
    UserFactory(email="alice@example.com", phone="+4915112345678")
    for column in ("email", "phone"):
        (text,) = raw(column)
        assert text.startswith("gAAAA")
    alice = User.objects.get()
    assert (alice.email, alice.phone) == ("alice@example.com", "+4915112345678")


@pytest.mark.parametrize(
    "expression", [F("name"), Value("+1"), Concat(F("name"), Value("x"))], ids=str
)
def test_an_expression_is_refused_and_nothing_is_lost(expression):
    UserFactory(phone="+4915112345678")
    with pytest.raises(FieldError, match="cannot be encrypted"), transaction.atomic():
        User.objects.update(phone=expression)
    user = User.objects.get()
    user.phone = expression
    with pytest.raises(FieldError), transaction.atomic():
        user.save()
    assert User.objects.get().phone == "+4915112345678"


def test_values_are_written_in_every_other_way():
    users = UserFactory.create_batch(3)
    User.objects.update(phone="+1")
    assert {user.phone for user in User.objects.all()} == {"+1"}
    for number, user in enumerate(users):
        user.phone = f"+{number}"
    User.objects.bulk_update(users, ["phone"])
    assert list(User.objects.order_by("id").values_list("phone", flat=True)) == ["+0", "+1", "+2"]
    assert all(text.startswith("gAAAA") for text in raw("phone"))
    User.objects.update(phone=None)
    assert raw("phone") == [None] * 3


@pytest.mark.parametrize("lookup", ["email", "email__icontains", "phone__in"])
def test_ciphertext_cannot_be_searched(lookup):
    with pytest.raises(FieldError):
        User.objects.filter(**{lookup: "alice@example.com"}).exists()


@pytest.mark.parametrize(
    "spelling",
    ["alice@example.com", "ALICE@EXAMPLE.COM", "  Alice@Example.com ", "\uff41lice@example.com"],
)
def test_every_spelling_finds_the_same_user(spelling):
    alice = UserFactory(email="Alice@example.com")
    assert User.objects.by_email(spelling) == alice
    assert User.objects.by_email("alic@example.com") is None


def test_the_index_follows_the_email():
    alice = UserFactory(email="alice@example.com")
    alice.email = "al@example.com"
    alice.save(update_fields=["email"])
    assert User.objects.by_email("al@example.com") == alice
    assert User.objects.by_email("alice@example.com") is None
    alice.source_id = "s-1"
    alice.email = ""
    alice.save()
    alice.refresh_from_db()
    assert (alice.email, alice.email_bidx) == (None, None)


def test_the_index_is_unique_and_cannot_be_forgotten():
    UserFactory(email="alice@example.com")
    with pytest.raises(IntegrityError), transaction.atomic():
        UserFactory(email="ALICE@example.com")
    with pytest.raises(IntegrityError, match="email_iff_indexed"), transaction.atomic():
        User.objects.update(email=None)


def test_the_index_is_keyed(settings):
    before = pii.email_index("alice@example.com")
    pii._key.cache_clear()
    settings.BLIND_INDEX_KEY = "another"
    try:
        assert pii.email_index("alice@example.com") != before
    finally:
        pii._key.cache_clear()


def test_a_look_up_uses_the_index(django_assert_num_queries):
    with django_assert_num_queries(1) as captured:
        User.objects.by_email("alice@example.com")
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("EXPLAIN " + captured.captured_queries[0]["sql"])
        assert "email_bidx" in str(cursor.fetchall())


def test_saving_other_fields_reads_no_ciphertext(django_assert_num_queries):
    UserFactory()
    user = User.objects.only("name").get()
    user.name = "New"
    with django_assert_num_queries(1):
        user.save(update_fields=["name"])


@pytest.mark.parametrize(
    ("email", "masked"),
    [
        ("alice@example.com", "a***e@e***.com"),
        ("al@example.com", "a***@e***.com"),
        ("a@b.co", "a***@b***.co"),
        (None, None),
    ],
)
def test_masks(email, masked):
    assert pii.mask_email(email) == masked


def test_masked_phone():
    assert pii.mask_phone("+4915112345678") == "***78"
    assert pii.mask_phone(None) is None
