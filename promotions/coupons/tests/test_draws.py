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


def draws(statement, book, number, most=DRAWS):
    """What is found by the services' looks, not given: the same codes stay to be drawn."""
    book.refresh_from_db()
    found = []
    while len(found) < most:
        looks = assigning.looks_for(number, CODES, book.places)
        places = assigning.named_places(book, max(looks, assigning.FIRST_LOOKS))
        params = {"count": number, "places": places} | assigning.numbered(places)
        found += [row for (row,) in fetch_all(statement, params)]
    return found[:most]


def unequal(early=10):
    """A book whose free codes lie unevenly: of so many times their number nearly all are gone."""
    book, user = BookFactory(), UserFactory()
    early, _late = made(book, early * CODES), made(book, CODES * 3 // 4)
    kept = early[:: len(early) * 4 // CODES]
    given = [coupon.pk for coupon in early if coupon not in kept]
    fetch_all(
        assigning._GIVE_ALL.format(drawn="SELECT unnest(%(ids)s::bigint[])"),
        {"ids": given, "user": user.pk},
    )
    assert assigning.free_of(book.pk) == CODES
    return book


def chi_square(found):
    counts = Counter(found)
    expected = len(found) / CODES
    return sum((counts[code] - expected) ** 2 / expected for code in counts) + expected * (
        CODES - len(counts)
    )


FIRST = f"SELECT id FROM {assigning._FIRST} AS found (id) WHERE id IS NOT NULL"


@pytest.mark.slow
@pytest.mark.parametrize(("number", "most"), [(1, 4_000), (100, DRAWS)])
def test_every_free_code_is_as_likely(number, most):
    """199 degrees of freedom: mean 199, deviation 20. Above 299 once in a million runs."""
    book = unequal()
    assert chi_square(draws(assigning._FOUND, book, number, most)) < 299


@pytest.mark.slow
def test_the_first_looks_make_no_difference():
    """Nearly half of the places are free; the lowest of three would be drawn more often."""
    book = unequal(early=1)
    assert chi_square(draws(FIRST, book, 1, 8_000)) < 299
    lowest = FIRST.replace("COALESCE", "LEAST")
    assert chi_square(draws(lowest, book, 1, 8_000)) > 1_000


@pytest.mark.slow
def test_the_next_key_after_a_random_point_is_not():
    """The test above can fail: gaps differ, and whoever has a wide one is drawn more often."""
    biased = """
        SELECT found.id FROM unnest(%(places)s::bigint[]) AS look(place) CROSS JOIN LATERAL (
            SELECT id FROM coupons_coupon
            WHERE state = 'UNASSIGNED' AND draw_key >= look.place
            ORDER BY draw_key LIMIT 1
        ) found LIMIT %(count)s
    """
    assert chi_square(draws(biased, unequal(), 1_000)) > 10_000


@pytest.mark.slow
def test_nor_is_the_first_in_order_of_places():
    """Nor one that takes the lowest of the places that were named."""
    biased = assigning._FOUND.replace(
        "FROM unnest(%(places)s::bigint[]) AS look(place)",
        "FROM (SELECT * FROM unnest(%(places)s::bigint[]) place ORDER BY place) AS look",
    )
    assert chi_square(draws(biased, unequal(), 1, 4_000)) > 1_000


def test_the_few_that_are_left_are_as_likely():
    book = BookFactory()
    made(book, 4)
    look = assigning._FOUND_OF_FEW
    params = {"first": book.first_place, "places": 4, "count": 1}
    counts = Counter(fetch_all(look, params)[0][0] for _ in range(4_000))
    expected = 1_000
    assert len(counts) == 4
    # 3 degrees of freedom: above 31 once in a million runs.
    assert sum((count - expected) ** 2 / expected for count in counts.values()) < 31


@pytest.mark.parametrize(
    "statement", [assigning._DRAW_ONE, assigning._DRAW], ids=["one", "several"]
)
def test_a_draw_reads_a_handful_of_rows(statement, django_assert_max_num_queries):
    """Of a book that was just made, too, of which statistics know nothing yet."""
    book, user = BookFactory(), UserFactory()
    made(book, 5_000)
    book.refresh_from_db()
    with connection.cursor() as cursor:
        cursor.execute(
            "EXPLAIN (ANALYZE, FORMAT JSON) " + statement,
            {
                "user": user.pk,
                "count": 1,
                "places": assigning.named_places(book, assigning.LOOKS),
            }
            | assigning.numbered(assigning.named_places(book, assigning.FIRST_LOOKS)),
        )
        (plan,) = cursor.fetchone()
    scans = [node for node in nodes(plan[0]["Plan"]) if "Scan" in node["Node Type"]]
    on_codes = [node for node in scans if node.get("Relation Name") == "coupons_coupon"]
    assert "Seq Scan" not in {node["Node Type"] for node in on_codes}
    assert all(node["Actual Rows"] < 20 for node in on_codes)
    with django_assert_max_num_queries(20):
        assigning.assign(book.pk, user_id=user.pk)


def nodes(plan):
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)
