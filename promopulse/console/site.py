"""The admin site: the theme's, with choices that say more than a row's number."""

from typing import Any

from django.contrib import messages
from django.contrib.admin.views.autocomplete import AutocompleteJsonView
from django.contrib.auth.views import PasswordChangeView
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse, reverse_lazy
from unfold.sites import UnfoldAdminSite

from accounts.forms import OwnPasswordForm
from accounts.models import User
from promopulse.console import exports


class _Choices(AutocompleteJsonView):
    """An admin's `choice_label` says how its rows are called where one is picked."""

    def serialize_result(self, obj: Any, to_field_name: str) -> dict[str, str]:
        found: dict[str, str] = super().serialize_result(obj, to_field_name)
        label = getattr(self.model_admin, "choice_label", None)
        return found | {"text": label(obj)} if label else found


class Console(UnfoldAdminSite):
    def get_urls(self) -> list[Any]:
        """With the pages that see every app."""
        from promopulse.console import people

        return [*people.urls(self._registry[User]), *super().get_urls()]

    def autocomplete_view(self, request: HttpRequest) -> HttpResponseBase:
        return _Choices.as_view(admin_site=self)(request)

    def password_change(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponseBase:
        """The theme's page, which has no place to name another form."""
        page = PasswordChangeView.as_view(
            form_class=OwnPasswordForm,
            success_url=reverse_lazy("admin:password_change_done"),
            extra_context=self.each_context(request) | (extra_context or {}),
        )
        return page(request)

    def export_as_job(self, model_admin: Any, request: HttpRequest) -> str:
        """Start it; where its progress is shown."""
        job = exports.start(model_admin, request)
        messages.info(request, "Many rows: a job writes them. You can leave this page meanwhile.")
        return reverse("admin:accounts_job_change", args=[job.pk])
