"""Pages of lists: by offset with an honest count, or by keyset for tables that grow under us."""

import base64
import binascii
from typing import Any, ClassVar

import msgspec
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db.models import Q
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

DEFAULT_LIMIT = 100
MAX_LIMIT = 1_000
MAX_OFFSET = 100_000  # what is passed over costs as much as what is shown
COUNTED_TO = 10_000


def whole_number(
    request: Request, name: str, default: int, low: int, high: int, hint: str = ""
) -> int:
    """A query parameter as an int within its bounds. Raises ValidationError naming it."""
    text = request.query_params.get(name, "")
    if not text:
        return default
    fits = text.isascii() and text.isdigit() and len(text) <= len(str(high))
    if not (fits and low <= int(text) <= high):
        words = f"A whole number from {low} to {high} is expected.{hint}"
        raise ValidationError({name: words})
    return int(text)


class LimitOffset(BasePagination):
    """`limit` and `offset`; the count is exact to 10,000, beyond that null."""

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        self.url = request.build_absolute_uri()
        self.limit = whole_number(request, "limit", DEFAULT_LIMIT, 1, MAX_LIMIT)
        hint = " Rows further on are found with a filter."
        self.offset = whole_number(request, "offset", 0, 0, MAX_OFFSET, hint)
        rows = list(queryset[self.offset : self.offset + self.limit + 1])
        self.more = len(rows) > self.limit
        # A page that is the whole list has counted it already.
        alone = self.offset == 0 and not self.more
        counted = len(rows) if alone else queryset.order_by()[: COUNTED_TO + 1].count()
        self.count = counted if counted <= COUNTED_TO else None
        return rows[: self.limit]

    def _link(self, offset: int) -> str:
        url = replace_query_param(self.url, "limit", self.limit)
        return replace_query_param(url, "offset", offset)

    def get_paginated_response(self, data: Any) -> Response:
        before = max(0, self.offset - self.limit)
        return Response(
            {
                "count": self.count,
                "next": self._link(self.offset + self.limit) if self.more else None,
                "previous": self._link(before) if self.offset else None,
                "results": data,
            }
        )

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        count = {
            "type": "integer",
            "nullable": True,
            "description": "Exact up to 10,000, null beyond.",
        }
        return _page_schema(schema, count=count)

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        offset = {"type": "integer", "minimum": 0, "maximum": MAX_OFFSET, "default": 0}
        return [_LIMIT, _parameter("offset", "Rows to pass over.", offset)]


def _page_schema(rows: dict[str, Any], **more: dict[str, Any]) -> dict[str, Any]:
    link = {
        "type": "string",
        "nullable": True,
        "format": "uri",
        "example": "http://127.0.0.1:8000/api/v1/...",
    }
    properties = {**more, "next": link, "previous": link, "results": rows}
    return {"type": "object", "required": list(properties), "properties": properties}


def _parameter(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "in": "query",
        "required": False,
        "description": description,
        "schema": schema,
    }


_LIMIT = _parameter(
    "limit",
    "Rows a page.",
    {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
)


class Keyset(BasePagination):
    """Newest first by `ordering`, which must be unique and indexed; stable while rows arrive.

    The cursor is the key of a page's last row (or first, backwards), so page 10,000 costs what
    page 1 does. See https://use-the-index-luke.com/no-offset.
    """

    ordering: ClassVar[tuple[str, ...]] = ("-id",)

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        self.url = request.build_absolute_uri()
        fields = getattr(view, "keyset", self.ordering)
        limit = whole_number(request, "limit", DEFAULT_LIMIT, 1, MAX_LIMIT)
        backwards, key = self._read(request.query_params.get("cursor", ""), fields)
        order = [_flip(field) for field in fields] if backwards else list(fields)
        if key:
            try:
                queryset = queryset.filter(after(order, key))
            except (DjangoValidationError, ValueError, TypeError, OverflowError):
                raise ValidationError({"cursor": "The cursor is not valid."}) from None
        rows = list(queryset.order_by(*order)[: limit + 1])
        more, rows = len(rows) > limit, rows[:limit]
        if backwards:
            rows.reverse()
        self.next = self._link(rows[-1:], fields, "n") if more or backwards else None
        self.previous = (
            self._link(rows[:1], fields, "p") if key and (more or not backwards) else None
        )
        return rows

    def _read(self, cursor: str, fields: tuple[str, ...]) -> tuple[bool, list[Any]]:
        if not cursor:
            return False, []
        try:
            text = base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4))
            way, *key = msgspec.json.decode(text, type=list[str | int])
        except (msgspec.DecodeError, binascii.Error, ValueError):
            raise ValidationError({"cursor": "The cursor is not valid."}) from None
        if way not in ("n", "p") or len(key) != len(fields):
            raise ValidationError({"cursor": "The cursor is not valid."})
        return way == "p", key

    def _link(self, rows: list[Any], fields: tuple[str, ...], way: str) -> str | None:
        if not rows:
            return None
        key = [getattr(rows[0], field.lstrip("-")) for field in fields]
        text = base64.urlsafe_b64encode(msgspec.json.encode([way, *key])).decode().rstrip("=")
        return replace_query_param(self.url, "cursor", text)

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"next": self.next, "previous": self.previous, "results": data})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        return _page_schema(schema)

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        return [_LIMIT, _parameter("cursor", "From `next` or `previous`.", {"type": "string"})]


def _flip(field: str) -> str:
    return field[1:] if field.startswith("-") else f"-{field}"


def after(order: list[str], key: list[Any]) -> Q:
    """Rows after `key`: (a, b) < (x, y) written as a < x or (a = x and b < y)."""
    condition = Q()
    for field, value in reversed(list(zip(order, key, strict=True))):
        name, sign = (field[1:], "lt") if field.startswith("-") else (field, "gt")
        same = Q(**{name: value}) & condition if condition else Q()
        condition = (
            Q(**{f"{name}__{sign}": value}) | same if same else Q(**{f"{name}__{sign}": value})
        )
    # Repeats the leading bound alone, so that an index on it can be used.
    name, sign = (order[0][1:], "lte") if order[0].startswith("-") else (order[0], "gte")
    return Q(**{f"{name}__{sign}": key[0]}) & condition
