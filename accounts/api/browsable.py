"""The API in a browser: DRF's pages and OPTIONS answers, fitted to views with query serializers."""

from typing import Any

from rest_framework.metadata import SimpleMetadata
from rest_framework.renderers import BrowsableAPIRenderer
from rest_framework.request import Request


class Pages(BrowsableAPIRenderer):
    """Without the filter form, which asks for filter backends; the schema lists the filters."""

    def get_filter_form(self, data: Any, view: Any, request: Request) -> None:
        return None


class Metadata(SimpleMetadata):
    """Names the route and its formats. What its bodies are like is said by the schema."""

    def determine_actions(self, request: Request, view: Any) -> dict[str, Any]:
        return {}
