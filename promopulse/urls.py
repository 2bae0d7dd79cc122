"""Every route: the API under /api/v1/, the admin, the pages, the docs, health, the start page."""

from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularRedocView, SpectacularSwaggerSplitView

from promopulse import health, metrics, pages
from promopulse.index import Index
from promopulse.schema import SchemaView

urlpatterns = [
    path("", pages.start, name="start"),
    path("favicon.ico", pages.icon, name="icon"),
    path("problems/<slug:code>", pages.problem, name="problem"),
    path("health", health.alive, name="health"),
    path("health/ready", health.ready, name="ready"),
    path("metrics", metrics.scrape, name="metrics"),
    path("", include("promopulse.shop.urls")),
    path("admin/", admin.site.urls),
    path("api/v1", Index.as_view(), name="index"),  # final slashes are taken away
    path("api/v1/", include("promopulse.api")),
    path("api/schema", SchemaView.as_view(), name="schema"),
    path(
        "docs",
        SpectacularSwaggerSplitView.as_view(url_name="schema", template_name="docs.html"),
        name="docs",
    ),
    path(
        "redoc",
        SpectacularRedocView.as_view(url_name="schema", template_name="redoc.html"),
        name="redoc",
    ),
]

handler400 = "promopulse.pages.bad_request"
handler403 = "promopulse.pages.forbidden"
handler404 = "promopulse.pages.missing"
handler500 = "promopulse.pages.broken"
