"""Filters of lists, by django-filter, as strict as bodies are.

A parameter that nobody knows is refused, and so is a value that makes no sense: a list that ignored
a typing error would show what was not asked for.
"""

from typing import Any

import django_filters
from django import forms
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request

from promopulse.lib.fields import MAX_ID, IdField

# What pages and renderers read.
_OTHERS = {"limit", "offset", "cursor", "format"}


class Filters(django_filters.FilterSet):
    """The filters of one list, declared by name; `view` is the view that lists."""

    @property
    def view(self) -> Any:
        return self.request.parser_context["view"]


class _ReadBy(forms.Field):
    """Reads a value as a serializer's field does."""

    def __init__(self, *, reader: serializers.Field[Any, Any, Any, Any], **kwargs: Any) -> None:
        self._reader = reader
        super().__init__(**kwargs)

    def clean(self, value: Any) -> Any:
        if value in self.empty_values:
            return None
        try:
            return self._reader.run_validation(value)
        except ValidationError as refusal:
            (first, *_) = refusal.detail
            assert isinstance(first, ErrorDetail)
            raise forms.ValidationError(str(first), code=first.code) from None


class _ByReader(django_filters.Filter):
    """A filter whose values a serializer's field reads; `schema` is what OpenAPI says of them."""

    field_class = _ReadBy
    reader: type[serializers.Field[Any, Any, Any, Any]]
    schema: dict[str, Any]

    def __init__(self, *, help_text: str, **kwargs: Any) -> None:
        super().__init__(reader=self.reader(), help_text=help_text, **kwargs)
        extend_schema_field({**self.schema, "description": help_text})(self)


class IdFilter(_ByReader):
    reader = IdField
    schema = {"type": "integer", "format": "int64", "minimum": 1, "maximum": MAX_ID}


class FlagFilter(_ByReader):
    reader = serializers.BooleanField
    schema = {"type": "boolean"}


class StrictBackend(DjangoFilterBackend):
    """Applies a view's `filterset_class` to its list. Raises ValidationError."""

    def filter_queryset(self, request: Request, queryset: Any, view: Any) -> Any:
        filterset = self.get_filterset(request, queryset, view)
        if filterset is None:
            return queryset
        refused = {}
        for name, value in request.query_params.items():
            if name not in _OTHERS and name not in filterset.filters:
                refused[name] = ErrorDetail("Unknown filter.", code="unknown_field")
            elif name in filterset.filters and not value:
                refused[name] = ErrorDetail("A value is expected.", code="blank")
        if refused:
            raise ValidationError(refused)
        return super().filter_queryset(request, queryset, view)
