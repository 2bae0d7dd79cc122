"""The floor of an HTTP request: a plain Django view without middleware that answers 202."""

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path


def accept(request: HttpRequest) -> HttpResponse:
    return HttpResponse(
        b'{"status":"accepted"}' if request.body else b"",
        status=202,
        content_type="application/json",
    )


settings.configure(
    ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="floor", MIDDLEWARE=[], USE_TZ=True
)
urlpatterns = [path("api/v1/events/ingest", accept)]
application = get_wsgi_application()
