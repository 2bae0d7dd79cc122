"""*Distribute...*: who of a pool would be given how many; then it is done, and can be undone."""

import secrets
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse

from accounts import jobs
from accounts.admin.by_jobs import left_to
from accounts.models import Job, Pool, User
from promopulse.lib.admin import shown as looks
from promopulse.lib.admin import whole_id
from promopulse.lib.admin.asked import ASKED, AskedPage
from promopulse.lib.admin.plans import Report
from promopulse.lib.admin.shown import plural
from promopulse.lib.widgets import AmountInput, AutocompleteOne, Select
from promotions.coupons import rules, sharing
from promotions.coupons.admin.access import may_write
from promotions.coupons.models import CouponBook, Distribution
from promotions.coupons.services import distributing, distribution_jobs
from promotions.coupons.services.distributing import Plan

# People named on a page; the rest are counted.
SHOWN = 50
HOW = {
    Distribution.Mode.EQUAL: "everybody the same number",
    Distribution.Mode.RANDOM: "chance decides who is given how many",
}
WHY = {
    sharing.AT_LIMIT: "The book's limit for a person leaves too little room",
    sharing.INACTIVE: "The account is closed",
}


class DistributeForm(forms.Form):
    pool = forms.ModelChoiceField(
        Pool.objects.all(),
        widget=AutocompleteOne(Distribution._meta.get_field("pool"), admin.site),
    )
    book = forms.ModelChoiceField(
        CouponBook.objects.all(),
        widget=AutocompleteOne(Distribution._meta.get_field("book"), admin.site),
    )
    mode = forms.ChoiceField(
        label="How",
        choices=[("equal", "Equal: the same share for each"), ("random", "Random: each coupon "
                 "to somebody by chance")],
        widget=Select,
    )  # fmt: skip
    counted = forms.ChoiceField(
        label="Counted",
        choices=[("each", "So many for each person"), ("all", "So many in all")],
        widget=Select,
    )
    how_many = forms.IntegerField(
        label="Coupons",
        initial=1,
        min_value=1,
        max_value=rules.MAX_DISTRIBUTED,
        widget=AmountInput,
    )
    seed = forms.IntegerField(
        min_value=0,
        max_value=rules.MAX_SEED,
        widget=AmountInput,
        help_text="Decides what chance decides: with the same data it gives the same result.",
    )


def _arguments(asked: dict[str, Any]) -> dict[str, Any]:
    """What was asked for, in the service's terms."""
    each = asked["counted"] == "each"
    return {
        "book_id": asked["book"].pk,
        "mode": asked["mode"],
        "count": None if each else asked["how_many"],
        "coupons_per_user": asked["how_many"] if each else None,
        "seed": asked["seed"],
    }


def address_of(params: dict[str, Any]) -> str:
    """The plan that a job was to carry out, as it is now."""
    asked = params["asked"]
    each = asked["coupons_per_user"] is not None
    query = {
        ASKED: 1,
        "pool": params["pool_id"],
        "book": asked["book_id"],
        "mode": asked["mode"],
        "counted": "each" if each else "all",
        "how_many": asked["coupons_per_user"] if each else asked["count"],
        "seed": asked["seed"],
    }
    return f"{reverse('admin:coupons_distribution_distribute')}?{urlencode(query)}"


class DistributePage(AskedPage):
    """The page `.../distribution/distribute/`; a pool or a book may be named in the address."""

    template = "admin/coupons/distribute_plan.html"
    service_names = {
        "count": "how_many",
        "coupons_per_user": "how_many",
        "book_id": "book",
        "pool_id": "pool",
    }

    def may(self, request: HttpRequest, **named: Any) -> bool:
        return may_write(request)

    def __call__(self, request: HttpRequest, **named: Any) -> Any:
        names = ("pool", "book")
        chosen = {name: whole_id(request.GET.get(name, "")) for name in names}
        return super().__call__(request, chosen=chosen)

    def question(self, data: Any, known: dict[str, Any], **named: Any) -> DistributeForm:
        first = {"seed": secrets.randbelow(10**9)} | known
        return DistributeForm(data, initial=first | named["chosen"])

    def planned(self, request: HttpRequest, asked: dict[str, Any], **named: Any) -> Plan:
        return distributing.distribute(asked["pool"].pk, dry_run=True, **_arguments(asked)).plan

    def carry_out(
        self,
        request: HttpRequest,
        asked: dict[str, Any],
        expected: str,
        given: dict[str, Any],
        **named: Any,
    ) -> Report:
        made = distribution_jobs.carry_out(
            asked["pool"].pk, expect_plan=expected, reason=given["reason"], **_arguments(asked)
        )
        if isinstance(made, Job):
            return left_to(made)
        undo = reverse("admin:coupons_distribution_undo", args=[made.pk])
        page = reverse("admin:coupons_distribution_change", args=[made.pk])
        return Report(given_words(made.assigned, made.users), page, undo=undo)

    def asking(self, request: HttpRequest, question: forms.Form, **named: Any) -> dict[str, Any]:
        return {
            "title": "Distribute coupons to a pool",
            "says": "Next you see who would be given how many. Nothing is given before that.",
        }

    def shown(self, request: HttpRequest, plan: Any, **named: Any) -> dict[str, Any]:
        shares = plan.sharing.shares
        some = list(shares.items())[:SHOWN]
        skipped = plan.sharing.skipped[:SHOWN]
        names = people([user for user, _share in some] + [one.user_id for one in skipped])
        pool = Pool.objects.get(pk=plan.pool_id)
        book = CouponBook.objects.get(pk=plan.book_id)
        return {
            "title": f"Give coupons of {book} to {pool}",
            "says": "All of it is done at once, or nothing of it."
            + (" That many are given by a job." if jobs.is_large(plan.count) else ""),
            "button": f"Give {plan.count:,}",
            "facts": looks.facts(
                [
                    ("Free now", f"{plan.available:,}"),
                    ("Given", f"{plan.count:,} to {plural(len(shares), 'person', 'people')}"),
                    ("A share", _share(shares)),
                    ("Left over", f"{plan.sharing.remainder:,}"),
                    ("Left free", f"{plan.available - plan.count:,}"),
                    ("Skipped", plural(len(plan.sharing.skipped), "person", "people")),
                    ("How", HOW[Distribution.Mode(plan.mode)]),
                    ("Seed", f"{plan.seed}, to repeat it: the same data and seed share alike"),
                ]
            ),
            "shares": looks.table(
                ("Person", "Coupons"), [(names[user], f"{share:,}") for user, share in some]
            ),
            "more": max(0, len(shares) - SHOWN),
            "skipped": skipped_table(
                [(one.user_id, one.reason, one.room) for one in skipped], names
            ),
            "more_skipped": max(0, len(plan.sharing.skipped) - SHOWN),
        }

    def back(self, **named: Any) -> str:
        chosen = named["chosen"]
        if chosen["book"] is not None:
            return reverse("admin:coupons_couponbook_change", args=[chosen["book"]])
        if chosen["pool"] is not None:
            return reverse("admin:accounts_pool_change", args=[chosen["pool"]])
        return reverse("admin:coupons_distribution_changelist")


def given_words(coupons: int, people: int) -> str:
    return f"{plural(coupons, 'coupon')} given to {plural(people, 'person', 'people')}."


def _share(shares: dict[int, int]) -> str:
    least, most = min(shares.values()), max(shares.values())
    return f"{least:,}" if least == most else f"{least:,} to {most:,}"


def people(ids: list[int]) -> dict[int, Any]:
    """Links to people by their names. Of the rest of a person, which is encrypted, nothing."""
    rows = dict(User.objects.filter(pk__in=ids).values_list("pk", "name"))
    return {
        pk: looks.link("admin:accounts_user_change", pk, rows.get(pk) or f"User {pk}") for pk in ids
    }


def skipped_table(skipped: list[tuple[int, str, int]], names: dict[int, Any]) -> Any:
    """Who is given none, and why."""
    return looks.table(
        ("Person", "Why", "Could still have"),
        [(names[user], WHY.get(reason, reason), f"{room:,}") for user, reason, room in skipped],
    )
