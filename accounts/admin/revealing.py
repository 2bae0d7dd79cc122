"""E-mail and phone in clear, once: asked for with a reason, kept in the trail, hidden again."""

from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse

from accounts import pii
from accounts.models import User
from accounts.roles import REVEAL
from accounts.services import revealing
from promopulse.lib.admin.plans import MustSayWhy
from promopulse.lib.admin.shown import facts

SECONDS_SHOWN = 60


@dataclass(frozen=True)
class RevealPage:
    """GET asks why, POST shows. No cache keeps an answer of the admin; it hides after a minute."""

    admin: "admin.ModelAdmin[User]"

    def __call__(self, request: HttpRequest, pk: int) -> HttpResponse:
        user = get_object_or_404(User, pk=pk, erased_at=None)
        if not request.user.has_perm(REVEAL):
            raise PermissionDenied
        form = MustSayWhy(request.POST or None)
        context: dict[str, Any] = self.admin.admin_site.each_context(request) | {
            "opts": self.admin.opts,
            "object": user,
            "title": f"Personal data of {user.name or user}",
            "form": form,
            "media": self.admin.media + form.media,
            "back": reverse("admin:accounts_user_change", args=[pk]),
            "masked": facts(
                [("E-mail", pii.mask_email(user.email)), ("Phone", pii.mask_phone(user.phone))]
            ),
        }
        if request.method == "POST" and form.is_valid():
            found = revealing.reveal(pk, reason=form.cleaned_data["reason"])
            context["revealed"] = facts(
                [("E-mail", found.email or "-"), ("Phone", found.phone or "-")]
            )
            context["seconds"] = SECONDS_SHOWN
        return TemplateResponse(request, "admin/accounts/user/reveal.html", context)
