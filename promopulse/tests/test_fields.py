"""What an id and an amount may look like in a body."""

from decimal import Decimal

import pytest
from rest_framework.serializers import ValidationError

from promopulse.lib.fields import IdField, MoneyField, ReusableMixin, StrictSerializer


@pytest.mark.parametrize(
    "given",
    ["1_0", "\u0663", "\uff11\uff12", "\U0001d7d9", "\u00b2", " 7 ", "+7", "7.0", "7\n", 7.0, True],
)
def test_an_id_is_plain_digits(given):
    assert IdField().run_validation("12") == 12
    with pytest.raises(ValidationError):
        IdField().run_validation(given)


@pytest.mark.parametrize(
    "given", ["1_0", "\u0663", "\uff11\uff12.\uff15", " 7 ", "+7", "7\n", "Infinity", "NaN", True]
)
def test_an_amount_is_plain_digits(given):
    assert MoneyField().run_validation("12.50") == Decimal("12.5")
    assert MoneyField().run_validation(12.5) == Decimal("12.5")
    with pytest.raises(ValidationError):
        MoneyField().run_validation(given)


class Plain(StrictSerializer):
    id = IdField(source="key")
    amount = MoneyField(required=False, allow_null=True)


class Reused(Plain, ReusableMixin):
    """The same, made once."""


@pytest.mark.parametrize(
    "body",
    [
        *({"id": 1}, {"id": "7", "amount": "1.50"}, {"id": 1, "amount": None}),
        *(None, [], "x", {}, {"id": "x"}, {"id": 1, "other": 2}, {"id": 1, "amount": "NaN"}),
    ],
)
def test_a_serializer_that_is_made_once_reads_like_any_other(body):
    plain = Plain(data=body)
    if plain.is_valid():
        assert Reused.read(body) == plain.validated_data
        return
    for _ in range(2):
        with pytest.raises(ValidationError) as refused:
            Reused.read(body)
        assert refused.value.detail == plain.errors
        assert refused.value.get_codes() == ValidationError(plain.errors).get_codes()
