"""A draw is uniform over the free codes, however their keys lie, and as dear in any book."""

from collections import Counter

import pytest
from django.db import connection

from accounts.tests.factories import UserFactory
from promopulse.lib.sql import fetch_all
from promotions.coupons.services import assigning
from promotions.coupons.tests.factories import BookFactory, made

pytestmark = pytest.mark.django_db
CODES, DRAWS = 200, 100_000

# What the services draw by, with the giving taken out, so that the same codes stay to be drawn.
_LOOK = assigning._DRAW.replace(assigning._GIVE, "SELECT id FROM drawn")


def draws(statement, book, number, most=DRAWS):
    params = {
        "book": book.pk,
        "count": number,
        "keys": assigning.KEYS,
        "width": assigning.KEYS * assigning.MEAN // CODES,
        "places": assigning.PLACES,
        "tries": assigning.TRIES * number,
    }
    found = []
    while len(found) < most:
        found += [row for (row,) in fetch_all(statement, params)]
    return found[:most]


def chi_square(found):
    counts = Counter(found)
    expected = len(found) / CODES
    return sum((counts[code] - expected) ** 2 / expected for code in counts) + expected * (
        CODES - len(counts)
    )


@pytest.mark.slow
@pytest.mark.parametrize(("number", "most"), [(1, 4_000), (100, DRAWS)])
def test_every_free_code_is_as_likely(number, most):
    """199 degrees of freedom: mean 199, deviation 20. Above 299 once in a million runs."""
    book = BookFactory()
    made(book, CODES)
    # Keys as unequal as they can be by chance are made worse: half of them in one corner.
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE coupons_coupon DISABLE TRIGGER USER")
        cursor.execute(
            "UPDATE coupons_coupon SET draw_key = draw_key / 2 WHERE book_id = %s AND id %% 2 = 0",
            [book.pk],
        )
        cursor.execute("ALTER TABLE coupons_coupon ENABLE TRIGGER USER")
    assert _LOOK.endswith("SELECT id FROM drawn\n")
    assert chi_square(draws(_LOOK, book, number, most)) < 299


@pytest.mark.slow
def test_the_next_key_after_a_random_point_is_not():
    """The test above can fail: gaps differ, and whoever has a wide one is drawn more often."""
    biased = """
        SELECT found.id FROM (
            SELECT floor(random() * %(keys)s)::bigint AS start FROM generate_series(1, %(tries)s)
        ) try CROSS JOIN LATERAL (
            SELECT id FROM coupons_coupon
            WHERE book_id = %(book)s AND state = 'UNASSIGNED' AND draw_key >= try.start
            ORDER BY draw_key LIMIT 1
        ) found LIMIT %(count)s + 0 * (%(places)s + %(width)s)
    """
    book = BookFactory()
    made(book, CODES)
    assert chi_square(draws(biased, book, 1_000)) > 10_000


def test_the_few_that_are_left_are_as_likely():
    book = BookFactory()
    made(book, 4)
    look = assigning._DRAW_OF_FEW.replace(assigning._GIVE, "SELECT id FROM drawn")
    counts = Counter(fetch_all(look, {"book": book.pk, "count": 1})[0][0] for _ in range(4_000))
    expected = 1_000
    assert len(counts) == 4
    # 3 degrees of freedom: above 31 once in a million runs.
    assert sum((count - expected) ** 2 / expected for count in counts.values()) < 31


def test_a_draw_reads_a_handful_of_rows(django_assert_max_num_queries):
    book, user = BookFactory(), UserFactory()
    made(book, 5_000)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE coupons_coupon")
        cursor.execute(
            "EXPLAIN (ANALYZE, FORMAT JSON) " + assigning._DRAW,
            {
                "book": book.pk,
                "user": user.pk,
                "count": 1,
                "keys": assigning.KEYS,
                "width": assigning.KEYS * assigning.MEAN // 5_000,
                "places": assigning.PLACES,
                "tries": assigning.TRIES,
            },
        )
        (plan,) = cursor.fetchone()
    scans = [node for node in nodes(plan[0]["Plan"]) if "Scan" in node["Node Type"]]
    on_codes = [node for node in scans if node.get("Relation Name") == "coupons_coupon"]
    assert {node["Node Type"] for node in on_codes} <= {"Index Scan", "Index Only Scan"}
    assert all(node["Actual Rows"] < 20 for node in on_codes)
    with django_assert_max_num_queries(20):
        assigning.assign(book.pk, user_id=user.pk)


def nodes(plan):
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)
