"""What an id and an amount may look like in a body."""

from decimal import Decimal

import pytest
from rest_framework.serializers import ValidationError

from promopulse.lib.fields import IdField, MoneyField


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
