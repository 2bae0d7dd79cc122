"""Money: Decimal amounts, one rounding function, ISO 4217 minor units."""

from decimal import ROUND_HALF_UP, Decimal

from django.db import models

# Digits after the point (ISO 4217, List One). Codes not named here have 2.
_MINOR_UNITS = {
    **dict.fromkeys(
        "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split(), 0
    ),
    **dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3),
}
CURRENCIES = frozenset(
    """AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN
    BZD CAD CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS
    GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW
    KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD
    NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD
    SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYI UYU UZS
    VED VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWG""".split()
)
DEFAULT_CURRENCY = "USD"

# 12 digits before the point: every such amount survives a JSON number unharmed.
MAX_DIGITS = 15
DECIMAL_PLACES = 3
MAX_AMOUNT = Decimal("999999999999.999")


def minor_unit(currency: str) -> Decimal:
    """The smallest amount of a currency: 1 JPY, 0.01 USD, 0.001 KWD."""
    return Decimal(1).scaleb(-_MINOR_UNITS.get(currency, 2))


def round_money(amount: Decimal, currency: str) -> Decimal:
    """Half up to the currency's minor unit: with `share` the only place money is rounded."""
    return amount.quantize(minor_unit(currency), rounding=ROUND_HALF_UP)


def to_minor(amount: Decimal, currency: str) -> int:
    """How many of the currency's smallest amounts: 1999 for 19.99 USD. The amount is exact."""
    return int(amount.scaleb(_MINOR_UNITS.get(currency, 2)))


def from_minor(units: int, currency: str) -> Decimal:
    return Decimal(units).scaleb(-_MINOR_UNITS.get(currency, 2))


def share(units: int, basis_points: int) -> int:
    """So many hundredths of a percent of an amount in minor units: `round_money` for whole numbers,
    half up alike, for paths that price thousands of discounts at once."""
    return (units * basis_points + 5_000) // 10_000


def is_exact(amount: Decimal, currency: str) -> bool:
    """Whether the amount has no more decimals than its currency."""
    return amount == round_money(amount, currency)


def money_text(amount: Decimal, currency: str) -> str:
    """The decimal string of every answer: `19.90` USD, `20` JPY.

    Decimals beyond the currency's, which only an event's amount can have, are not rounded away.
    """
    if is_exact(amount, currency):
        return str(round_money(amount, currency))
    return f"{amount.normalize():f}"


_SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥"}


def in_words(amount: Decimal, currency: str) -> str:
    """For people to read: `$12.50`, `€1,200` (whole amounts without their zeros), `CHF 4.90`."""
    shown = round_money(amount, currency)
    number = f"{int(shown):,}" if shown == shown.to_integral_value() else f"{shown:,}"
    return f"{_SYMBOLS[currency]}{number}" if currency in _SYMBOLS else f"{currency} {number}"


class MoneyField(models.DecimalField):
    """An amount in major units; its currency stands beside it or on its promotion."""

    def __init__(self, **kwargs: object) -> None:
        kwargs.setdefault("max_digits", MAX_DIGITS)
        kwargs.setdefault("decimal_places", DECIMAL_PLACES)
        super().__init__(**kwargs)  # type: ignore[arg-type]
