"""What is held at checkouts: to read, never to edit."""

from typing import Any

from django.contrib import admin
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils.safestring import SafeString

from promopulse.lib.admin import shown as looks
from promopulse.lib.admin.shown import Tone
from promotions.discounts.admin.columns import GrantedAdmin
from promotions.discounts.models import Reservation, ReservationState

_BADGES = {
    ReservationState.OPEN: ("clock", "Open", Tone.WAIT),
    ReservationState.CAPTURED: ("check", "Captured", Tone.GOOD),
    ReservationState.RELEASED: ("again", "Released", Tone.CALM),
    ReservationState.EXPIRED: ("past", "Expired", Tone.CALM),
}


@admin.register(Reservation)
class ReservationAdmin(GrantedAdmin):
    empty_words = "A shop that reserves a discount at its checkout holds it here for a while."
    list_display = ("id", "promotion_link", "user_link", "amount_shown", "badge", "expires_at")
    list_filter = ("state", ("created_at", admin.DateFieldListFilter))
    fields = (
        *("promotion_link", "user_link", "badge", "created_at", "expires_at", "closed_at"),
        "trace",
    )
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).annotate(judged_at=Now())

    @admin.display(description="state")
    def badge(self, reservation: Any) -> SafeString:
        state = ReservationState(reservation.state)
        if state == ReservationState.OPEN and reservation.expires_at <= reservation.judged_at:
            state = ReservationState.EXPIRED  # tidied later
        return looks.badge(*_BADGES[state])
