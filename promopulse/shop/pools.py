"""The desk's pools: codes of a book spread over the people of one; previewed, done, undone."""

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from accounts import selectors as accounts
from accounts.models import Job, Pool, User
from accounts.principals import reach_of
from accounts.roles import Permission, Reach
from promopulse.lib.admin.shown import plural
from promopulse.lib.errors import DomainError, PlanChanged
from promopulse.shop.access import page, person
from promopulse.shop.forms import DistributeForm, name_fields
from promopulse.shop.paging import listed
from promopulse.shop.told import Told, redirect, told_in
from promotions.coupons import selectors
from promotions.coupons.models import Distribution
from promotions.coupons.services import distributing, distribution_jobs
from promotions.coupons.services.distributing import Plan

A_PAGE = 20
# People shown of a plan: the rest are counted.
SHOWN = 50
BOOKS_OFFERED = 100
_WHY = {
    "max_assignments_exceeded": "Has as many of the book as it allows",
    "user_inactive": "Is switched off",
}


@page(Permission.INTERNALS_READ, everybodys=True)
def pools(request: HttpRequest) -> HttpResponse:
    found = listed(request, accounts.pools(), A_PAGE)
    return render(request, "shop/pools.html", {"page": found, "pools": found.rows})


@page(Permission.INTERNALS_READ, everybodys=True)
def pool(request: HttpRequest, pool_id: int) -> HttpResponse:
    return _pool(request, accounts.pool_by_id(pool_id), DistributeForm(books=_books()))


def _books() -> list[tuple[int, str]]:
    """Those one can choose from: the newest that are switched on."""
    newest = selectors.books().filter(is_active=True)[:BOOKS_OFFERED]
    return [(pk, f"{name} ({pk})") for pk, name in newest.values_list("pk", "name")]


def _pool(
    request: HttpRequest, found: Pool, form: forms.Form, *, status: int = 200, **more: Any
) -> HttpResponse:
    given = Distribution.objects.filter(pool=found).select_related("book").order_by("-pk")
    context = {
        "pool": found,
        "form": form,
        "given": given[:A_PAGE],
        "may": reach_of(person(request), Permission.PROMOTIONS_WRITE) is Reach.ALL,
        "told": told_in(request),
    }
    return render(request, "shop/pool.html", context | more, status=status)


@page(Permission.PROMOTIONS_WRITE, methods="POST", everybodys=True)
def distribute(request: HttpRequest, pool_id: int) -> HttpResponse:
    """First the plan; with its hash and seed sent back, exactly that, all or nothing."""
    found = accounts.pool_by_id(pool_id)
    form = DistributeForm(request.POST, books=_books())
    if not form.is_valid():
        return _pool(request, found, form, status=422)
    asked = form.asked()
    expected = request.POST.get("plan") or None
    try:
        if expected is None:
            plan = distributing.distribute(pool_id, **asked, dry_run=True).plan
            return _preview(request, found, form, plan)
        done = distribution_jobs.carry_out(pool_id, **asked, expect_plan=expected)
    except PlanChanged as changed:
        told = Told.of(changed, action="distribute")
        return redirect(request, reverse("desk_pool", args=[pool_id]), told)
    except DomainError as refusal:
        told_now = None if name_fields(form, refusal) else Told.of(refusal, action="distribute")
        return _pool(request, found, form, status=refusal.status, told=told_now)
    if isinstance(done, Job):
        return _by_a_job(request, reverse("desk_pool", args=[pool_id]), done)
    return _report(request, done, said="Distributed")


def _preview(request: HttpRequest, found: Pool, form: DistributeForm, plan: Plan) -> HttpResponse:
    skipped = plan.sharing.skipped[:SHOWN]
    some = list(plan.sharing.shares.items())[:SHOWN]
    names = _names([user for user, _ in some] + [one.user_id for one in skipped])
    context = {
        "pool": found,
        "plan": plan,
        "book": selectors.book_by_id(plan.book_id),
        "asked": form.cleaned_data,
        "people": len(plan.sharing.shares),
        "shares": [(names[user], share) for user, share in some],
        "more": max(0, len(plan.sharing.shares) - SHOWN),
        "skipped": [(names[one.user_id], _WHY.get(one.reason, one.reason)) for one in skipped],
        "more_skipped": max(0, len(plan.sharing.skipped) - SHOWN),
    }
    return render(request, "shop/plan.html", context)


def _names(ids: list[int]) -> dict[int, str]:
    """Without the rest of a person, which would be decrypted."""
    rows = User.objects.filter(pk__in=ids).values_list("pk", "name")
    return {pk: name or f"User {pk}" for pk, name in rows}


@page(Permission.PROMOTIONS_WRITE, methods="POST", everybodys=True)
def undo(request: HttpRequest, distribution_id: int) -> HttpResponse:
    """Take a distribution back, while nothing of it is locked or was used."""
    found = selectors.distribution_by_id(distribution_id)
    try:
        undone = distribution_jobs.take_back(found)
    except DomainError as refusal:
        return redirect(request, _home(found), Told.of(refusal, action="undo"))
    if isinstance(undone, Job):
        return _by_a_job(request, _home(found), undone)
    return _report(request, undone, said="Taken back")


def _home(found: Distribution) -> str:
    """Its pool's page; that of its book where the pool is gone."""
    if found.pool_id is None:
        return reverse("desk_book", args=[found.book_id])
    return reverse("desk_pool", args=[found.pool_id])


def _by_a_job(request: HttpRequest, url: str, job: Job) -> HttpResponse:
    words = f"A job does it: {job.title}. Job {job.pk} in the admin tells how it goes."
    return redirect(request, url, Told(202, words))


def _report(request: HttpRequest, found: Distribution, *, said: str) -> HttpResponse:
    people = plural(found.users, "person", "people")
    sentence = f"{said}: {plural(found.assigned, 'coupon')}, {people}."
    return redirect(request, _home(found), Told(201, sentence))
