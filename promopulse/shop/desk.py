"""The desk's books: what is left of each, who somebody is, and giving them coupons."""

from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.safestring import SafeString

from accounts import pii
from accounts import selectors as accounts
from accounts.models import User
from accounts.principals import reach_of
from accounts.roles import Permission, Reach
from promopulse.lib import limits
from promopulse.lib.admin import shown
from promopulse.lib.admin.shown import Tone, plural
from promopulse.lib.errors import DomainError, Invalid
from promopulse.shop import words
from promopulse.shop.access import page, person
from promopulse.shop.paging import listed
from promopulse.shop.told import Told, redirect, told_in
from promotions.coupons import selectors
from promotions.coupons.guessing import guesses_limited
from promotions.coupons.models import Coupon, CouponBook
from promotions.coupons.selectors import Counts
from promotions.coupons.services import assigning
from promotions.coupons.services.finding import clock

A_PAGE = 20
_UTC = ZoneInfo("UTC")


@dataclass(frozen=True)
class Shelved:
    """A book with its counts at `now`."""

    book: CouponBook
    counts: Counts
    now: Any

    @property
    def badge(self) -> SafeString:
        if self.book.expires_at is not None and self.book.expires_at <= self.now:
            return shown.badge("past", "Ended", Tone.CALM)
        if not self.book.is_active:
            return shown.badge("pause", "Switched off", Tone.WARN)
        if not self.counts.unassigned:
            return shown.badge("none", "None left", Tone.WARN)
        return shown.badge("play", "Open", Tone.GOOD)

    @property
    def end(self) -> str:
        if self.book.expires_at is None:
            return "It does not end"
        ends = self.book.expires_at
        return f"{shown.moment(ends, _UTC)} ({words.away(ends, self.now)})"

    @property
    def numbers(self) -> list[tuple[str, int]]:
        states = ("unassigned", "assigned", "locked", "redeemed", "expired")
        return [(state.capitalize(), getattr(self.counts, state)) for state in states]


@page(Permission.INTERNALS_READ, everybodys=True)
def books(request: HttpRequest) -> HttpResponse:
    now = clock()
    found = listed(request, selectors.books(), A_PAGE)
    counts = selectors.counts_of(found.rows, at=now)
    shelved = [Shelved(book, counts[book.pk], now) for book in found.rows]
    return render(request, "shop/books.html", {"books": shelved, "page": found})


@page(Permission.INTERNALS_READ, everybodys=True)
def book(request: HttpRequest, book_id: int) -> HttpResponse:
    """One book; with `user` in the address also what they have of it."""
    found, now = selectors.book_by_id(book_id), clock()
    counts = selectors.counts_of([found], at=now)[found.pk]
    user = _named(request)
    return render(
        request,
        "shop/book.html",
        {
            "shelved": Shelved(found, counts, now),
            "user": _shown(user, found) if user else None,
            "may_assign": reach_of(person(request), Permission.ASSIGN) is Reach.ALL,
            "told": told_in(request),
        },
    )


def _named(request: HttpRequest) -> User | None:
    text = request.GET.get("user", "")
    if not text.isdecimal() or len(text) > 18:
        return None
    return accounts.user_by_id(int(text))


def _shown(user: User, book: CouponBook) -> dict[str, Any]:
    """Somebody, as the desk may know them: the address stays masked."""
    has = Coupon.objects.filter(book=book, assigned_to=user).count()
    limit = book.max_assignments_per_user
    return {
        "pk": user.pk,
        "name": user.name or str(user),
        "email": pii.mask_email(user.email) or "",
        "has": f"{has} of at most {limit}" if limit is not None else str(has),
        "coupons_url": reverse("desk_person_coupons", args=[user.pk]),
    }


@page(Permission.PEOPLE, methods="POST", everybodys=True)
def find(request: HttpRequest, book_id: int) -> HttpResponse:
    """Somebody by their whole address, which appears in no address line and no log."""
    here = reverse("desk_book", args=[book_id])
    try:
        user = accounts.user_by_email(request.POST.get("email", ""))
    except DomainError as refusal:
        return redirect(request, here, Told.of(refusal, action="look up"))
    return redirect(request, f"{here}?user={user.pk}", Told(200, "Found.", action="look up"))


@page(Permission.ASSIGN, methods="POST", everybodys=True)
def assign(request: HttpRequest, book_id: int, user_id: int) -> HttpResponse:
    """Give somebody random coupons of the book, or the one whose code is typed."""
    here = f"{reverse('desk_book', args=[book_id])}?user={user_id}"
    try:
        said = _assigned(request, book_id, user_id)
    except DomainError as refusal:
        return redirect(request, here, Told.of(refusal, action="assign"))
    return redirect(request, here, Told(201, said, action="assign"))


def _assigned(request: HttpRequest, book_id: int, user_id: int) -> str:
    code = request.POST.get("code", "").strip()
    if code:
        guessers = f"user:{person(request).pk}", f"address:{limits.address_of(request)}"
        with guesses_limited(*guessers):
            given = assigning.assign_code(code, user_id=user_id)
        return f"Assigned: a coupon of {given.book.name}."
    if "code" in request.POST:
        raise Invalid("code", "Say which code.", "required")
    count = request.POST.get("count", "")
    if not count.isdecimal() or len(count) > 6:
        raise Invalid("count", "A whole number is expected.")
    drawn = assigning.assign(book_id, user_id=user_id, count=int(count))
    return f"Assigned: {plural(len(drawn), 'coupon')}."
