"""`/api/v1/`: where somebody begins who has only the address of the API."""

from functools import cache
from typing import Any

from django.urls import get_resolver, reverse
from drf_spectacular.settings import spectacular_settings
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.base import ApiView
from accounts.roles import Permission


class IndexOut(serializers.Serializer[Any]):
    """What answers here, and where to go on."""

    name = serializers.CharField()
    version = serializers.CharField(help_text="Of the contract, as in the schema.")
    docs = serializers.URLField(help_text="The reference, to try things from.")
    redoc = serializers.URLField(help_text="The same, to read.")
    schema = serializers.URLField(help_text="The same for programs: OpenAPI 3.")
    resources = serializers.DictField(
        child=serializers.URLField(), help_text="The lists of this API, by their names."
    )


_SITE = "http://127.0.0.1:8000"
_EXAMPLE = OpenApiExample(
    "The index",
    {
        "name": "PromoPulse",
        "version": "1.0.0",
        "docs": f"{_SITE}/docs",
        "redoc": f"{_SITE}/redoc",
        "schema": f"{_SITE}/api/schema",
        "resources": {"promotions": f"{_SITE}/api/v1/promotions"},
    },
    response_only=True,
)


class Index(ApiView):
    access = Permission.OPEN

    @extend_schema(
        summary="Where to begin", responses=IndexOut, examples=[_EXAMPLE], tags=["index"]
    )
    def get(self, request: Request) -> Response:
        """The name and version of this API, its documents and its lists."""
        here = request.build_absolute_uri
        found = {
            "name": spectacular_settings.TITLE,
            "version": spectacular_settings.VERSION,
            **{name: here(reverse(name)) for name in ("docs", "redoc", "schema")},
            "resources": {name: here(f"/api/v1/{name}") for name in _resources()},
        }
        return Response(IndexOut(found).data)


@cache
def _resources() -> list[str]:
    """What can be listed without naming a thing: routes of one word that are read."""
    parts: Any = get_resolver("promopulse.api").url_patterns
    routes = [pattern for part in parts for pattern in part.url_patterns]
    return sorted(
        route
        for pattern in routes
        if (route := str(pattern.pattern)).replace("-", "").isalpha() and _is_read(pattern.callback)
    )


def _is_read(view: Any) -> bool:
    actions = getattr(view, "actions", None)  # of a resource's views; others are one view
    return "get" in actions if actions is not None else hasattr(view.cls, "get")
