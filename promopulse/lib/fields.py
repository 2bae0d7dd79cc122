"""Serializer parts every app shares: strict bodies, aware times, exact money."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from rest_framework import serializers
from rest_framework.fields import get_attribute
from rest_framework.utils.html import is_html_input

from promopulse.lib import money, time
from promopulse.lib.errors import InvalidTimeRange
from promopulse.lib.strict_json import Unreadable, read_json

MAX_ID = 2**63 - 1

_DIGITS = re.compile(r"[0-9]+")
_AMOUNT = re.compile(r"-?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]+)?")


class StrictMixin:
    """Refuses unknown and read-only fields in a body, so that a typo never passes silently."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict):
            self._refuse_strangers(data)
        return super().to_internal_value(data)  # type: ignore[misc]

    def _refuse_strangers(self, data: dict[str, Any]) -> None:
        errors = {}
        for name in data:
            field = self.fields.get(name)  # type: ignore[attr-defined]
            if name == "csrfmiddlewaretoken":  # sent by the browsable API's forms
                continue
            if field is None:
                errors[name] = serializers.ErrorDetail("Unknown field.", code="unknown_field")
            elif field.read_only:
                errors[name] = serializers.ErrorDetail("Read-only field.", code="read_only")
        if errors:
            raise serializers.ValidationError(errors)


class StrictSerializer(StrictMixin, serializers.Serializer):
    """A body of named fields, no others."""


class StrictModelSerializer(StrictMixin, serializers.ModelSerializer):
    """A model's body of named fields, no others."""


class ReusableMixin:
    """A serializer that looks at nothing but the value: one of it serves all requests.

    Making one copies every field, which costs more than using them. Its fields and methods must
    leave `context`, `instance` and `initial_data` alone.
    """

    @classmethod
    def read(cls, data: Any) -> dict[str, Any]:
        """The validated body. Raises ValidationError."""
        try:
            value: dict[str, Any] = _only(cls).run_validation(data)
        except serializers.ValidationError:
            # As it would be told by one of its own.
            anew: Any = cls
            anew(data=data).is_valid(raise_exception=True)
            raise
        return value

    @classmethod
    def show(cls, obj: Any) -> dict[str, Any]:
        """An object as it is answered."""
        shown: dict[str, Any] = _only(cls).to_representation(obj)
        return shown


_made: dict[Any, Any] = {}


def _only(cls: Any) -> Any:
    made = _made.get(cls)
    if made is None:
        made = cls()
        _ = made.fields  # copied now, before others see it
        _made[cls] = made
    return made


class CountField(serializers.IntegerField):
    """A whole number from 1 on."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=1, **kwargs)

    def to_internal_value(self, data: Any) -> int:
        # Python also reads "1_000", " 7 " and the digits of every script: whoever sent such a thing
        # meant no number.
        if isinstance(data, bool | float) or not _DIGITS.fullmatch(str(data)):
            self.fail("invalid")
        return super().to_internal_value(data)


class IdField(CountField):
    """An integer id within bigint."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_value=MAX_ID, **kwargs)


class AwareDateTimeField(serializers.DateTimeField):
    """RFC 3339 with its offset; answered in UTC. A naive time is refused, not guessed."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(default_timezone=UTC, **kwargs)

    def to_internal_value(self, value: Any) -> datetime:
        parsed = self._parsed(value)
        if parsed.tzinfo is None:
            return self._naive(parsed)
        try:
            return parsed.astimezone(UTC)
        except OverflowError:
            self.fail("overflow")

    def _parsed(self, value: Any) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            return datetime.fromisoformat(value)
        except (TypeError, ValueError):
            self.fail("invalid", format="YYYY-MM-DDThh:mm:ss[.uuuuuu]Z")

    def _naive(self, local: datetime) -> datetime:
        raise serializers.ValidationError(
            "The time needs its offset, such as Z or +02:00.", code="naive_time"
        )

    def to_representation(self, value: Any) -> str:
        return time.rfc3339(value)


class LocalDateTimeField(AwareDateTimeField):
    """RFC 3339; without an offset it is as clocks of a zone beside it show it. No mere date."""

    def _parsed(self, value: Any) -> datetime:
        if isinstance(value, str) and len(value) <= len("2026-06-01"):
            raise serializers.ValidationError(
                "A time is expected, such as 2026-06-01T00:00:00.", code="date"
            )
        return super()._parsed(value)

    def _naive(self, local: datetime) -> datetime:
        return local


class ExactDecimalField(serializers.DecimalField):
    """A decimal string; numbers are accepted."""

    def validate_empty_values(self, data: Any) -> tuple[bool, Any]:
        # DecimalField takes "" for null, and null can mean unlimited.
        return serializers.Field.validate_empty_values(self, data)

    def get_value(self, dictionary: Any) -> Any:
        # A form's empty box, where DRF has not made null of it.
        value = super().get_value(dictionary)
        return serializers.empty if value == "" and is_html_input(dictionary) else value

    def to_internal_value(self, data: Any) -> Decimal:
        if isinstance(data, bool) or (isinstance(data, str) and not _AMOUNT.fullmatch(data)):
            self.fail("invalid")
        return super().to_internal_value(data)


class MoneyField(ExactDecimalField):
    """An amount. The service checks its decimals against the currency.

    `currency` is the attribute path of the currency on the row, for answers.
    """

    def __init__(self, *, currency: str = "currency", **kwargs: Any) -> None:
        self.currency = currency
        kwargs.setdefault("min_value", Decimal(0))
        super().__init__(max_digits=money.MAX_DIGITS, decimal_places=money.DECIMAL_PLACES, **kwargs)

    def get_attribute(self, instance: Any) -> Any:
        amount = super().get_attribute(instance)
        if amount is None:
            return None
        return money.money_text(amount, get_attribute(instance, self.currency.split(".")))

    def to_representation(self, value: Any) -> str:
        return str(value)


class CurrencyField(serializers.ChoiceField):
    """An ISO 4217 code."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=sorted(money.CURRENCIES), **kwargs)


class TimezoneField(serializers.CharField):
    """An IANA zone name."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=64, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        name = super().to_internal_value(data)
        if name not in time.ZONES:
            raise serializers.ValidationError("Not a time zone name.", code="unknown_timezone")
        return name


class MetadataField(serializers.JSONField):
    """A JSON object of the client's own, at most 4 KiB."""

    MAX_BYTES = 4_096

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("initial", dict)  # the browsable API's form would begin with null
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if getattr(data, "is_json_string", False):  # from a form: no parser has looked at it
            try:
                data = read_json(data.encode())
            except Unreadable as error:
                raise serializers.ValidationError(f"{error}.", code="invalid") from None
        value = super().to_internal_value(data)
        if not isinstance(value, dict):
            raise serializers.ValidationError("A JSON object is expected.", code="not_an_object")
        if len(str(value)) > self.MAX_BYTES:
            raise serializers.ValidationError("At most 4 KiB.", code="max_length")
        return value


class TimeRange(serializers.Serializer[Any]):
    """`from` is counted in, `to` is not. Neither could be a class attribute's name."""

    def get_fields(self) -> dict[str, Any]:
        return {
            "from": AwareDateTimeField(required=False, source="since"),
            "to": AwareDateTimeField(required=False, source="until"),
            **super().get_fields(),
        }

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "since" in attrs and "until" in attrs and attrs["since"] >= attrs["until"]:
            raise InvalidTimeRange("to", "`to` must be after `from`.")
        return attrs
