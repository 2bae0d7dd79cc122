"""`/api/schema`: what the API can do, for programs. The same for everybody who asks."""

import hashlib
from functools import cache
from threading import Lock
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.cache import get_conditional_response
from drf_spectacular.settings import spectacular_settings
from drf_spectacular.views import SpectacularAPIView
from rest_framework.request import Request

_building = Lock()


@cache
def _built() -> Any:
    return spectacular_settings.DEFAULT_GENERATOR_CLASS().get_schema(request=None, public=True)


@cache
def _written(renderer: Any) -> tuple[bytes, str]:
    """The schema as one class of renderers writes it, and its ETag."""
    text = renderer().render(_built(), renderer_context={})
    return text, f'"{hashlib.sha256(text).hexdigest()[:32]}"'


class SchemaView(SpectacularAPIView):
    """Building takes seconds, and only another version of the program would build another: each
    process does it once, when it is first asked."""

    schema = None  # it is no part of what it describes

    def get(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        renderer: Any = request.accepted_renderer
        with _building:  # a second request waits for the first one's rather than build its own
            text, etag = _written(renderer.__class__)
        response = HttpResponse(text, content_type=renderer.media_type)
        name = f"{spectacular_settings.TITLE}.{renderer.format}"
        response["Content-Disposition"] = f'inline; filename="{name}"'
        response["Cache-Control"] = "no-cache"
        response["ETag"] = etag
        plain: HttpRequest = request._request
        return get_conditional_response(plain, etag=etag, response=response) or response
