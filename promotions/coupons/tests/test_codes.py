"""The maths of codes."""

import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promopulse.lib.errors import Invalid
from promotions.coupons import codes, rules
from promotions.coupons.codes import DEFAULT_CHARSET, Shape


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("SUMMER20", "SUMMER20"),
        ("  summer-20 ", "SUMMER20"),
        ("SUM MER\N{HYPHEN-MINUS}-20", "SUMMER20"),
        ("a_b.c", "A_B.C"),
        ("AB", ""),
        ("--A--B--", ""),
        ("SOMMER/20", ""),
        ("STRA\N{LATIN SMALL LETTER SHARP S}E", ""),
        ("\N{FULLWIDTH LATIN CAPITAL LETTER A}BCD", ""),
        ("ABC\x00", ""),
        ("ABC\n", "ABC"),
        ("AB\nC", ""),
        ("redeem", ""),
        ("A" * 64, "A" * 64),
        ("A" * 65, ""),
        ("", ""),
    ],
)
def test_codes_are_compared_by_one_form(text, key):
    assert codes.normalise(text) == key


def test_a_code_is_kept_as_it_is_shown_or_not_at_all():
    assert codes.is_writable("Summer-20")
    assert not codes.is_writable(" Summer-20")
    assert not codes.is_writable("A-" * 40)
    assert not any(codes.is_writable(f"Summer-20{end}") for end in "\t\n\r\x1f\x00\x7f")


def test_masking_leaves_too_little_to_guess():
    assert codes.masked("SUMMER-20") == "SU***20"
    assert codes.masked("VIP2026") == "***"


@given(st.integers(1, 400), st.integers(4, 9))
def test_made_codes_are_different_and_of_their_shape(count, length):
    shape = Shape("P-{}-26", length, DEFAULT_CHARSET)
    made = shape.make(count)
    assert len({codes.normalise(code) for code in made}) == count
    pattern = re.compile(f"P-[{DEFAULT_CHARSET}]{{{length}}}-26")
    assert all(pattern.fullmatch(code) for code in made)


def test_every_character_is_as_likely():
    drawn = Counter("".join(Shape("{}", 10, DEFAULT_CHARSET).make(30_000)))
    expected = 300_000 / len(DEFAULT_CHARSET)
    chi_square = sum((count - expected) ** 2 / expected for count in drawn.values())
    # 30 degrees of freedom: above 70 once in ten thousand runs; bytes taken modulo 31 give 4,000.
    assert len(drawn) == len(DEFAULT_CHARSET)
    assert chi_square < 75


def test_the_default_charset_has_nothing_to_mistake():
    assert not set(DEFAULT_CHARSET) & set("01ILO")
    assert len(DEFAULT_CHARSET) == 31


def test_at_most_one_percent_of_the_possible_codes():
    shape = Shape("{}", 4, "AB")
    assert (shape.possible, shape.most) == (16, 0)
    assert Shape("{}", 8, DEFAULT_CHARSET).most == 31**8 // 100


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("SUMMER-{}", "summer{}", True),
        ("SUMMER-{}", "{}SUMMER", False),
        ("{}", "-{}-", True),
    ],
)
def test_shapes_that_make_the_same_codes_are_one(one, other, same):
    keys = {Shape(pattern, 6, "ABC").key for pattern in (one, other)}
    assert (len(keys) == 1) == same


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"length": 3}, "length"),
        ({"length": 51}, "length"),
        ({"length": True}, "length"),
        ({"charset": "A"}, "charset"),
        ({"charset": "aA"}, "charset"),
        ({"charset": "A-B"}, "charset"),
        ({"charset": "A\N{LATIN CAPITAL LETTER E WITH ACUTE}"}, "charset"),
        ({"pattern": "SUMMER"}, "pattern"),
        ({"pattern": "{}-{}"}, "pattern"),
        ({"pattern": "A/{}"}, "pattern"),
        ({"prefix": "A{}"}, "prefix"),
        ({"suffix": "%"}, "suffix"),
        ({"prefix": "A" * 57}, "length"),
        ({"prefix": " ", "length": 8}, "pattern"),
    ],
)
def test_what_cannot_be_made_is_named(options, field):
    with pytest.raises(Invalid) as refused:
        rules.shape(**options)
    assert refused.value.errors[0]["pointer"] == f"/{field}"


@pytest.mark.parametrize("pattern", ["S{}\t", "S{}\n", "S{}\x1f"])
def test_a_pattern_ends_in_what_can_be_typed(pattern):
    with pytest.raises(Invalid) as refused:
        rules.shape(pattern=pattern)
    assert refused.value.errors[0]["pointer"] == "/pattern"


def test_a_shape_is_put_together():
    shape = rules.shape(prefix="A-", pattern="S{}E", suffix="-B", length=5, charset="abba2")
    assert shape == Shape("A-S{}E-B", 5, "2AB")
