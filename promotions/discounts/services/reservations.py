"""Money and a day's use held at checkout: reserve, then capture or release."""

from decimal import Decimal

from promopulse.lib.direct import RowStatement
from promopulse.lib.errors import Invalid
from promopulse.lib.refusals import heard
from promopulse.lib.sql import fetch_all, fetch_one
from promotions.discounts import errors, metrics
from promotions.discounts.models import MAX_TTL, Redemption, Reservation
from promotions.discounts.services.asking import asked, take

DEFAULT_TTL = 900  # seconds

_RESERVE = RowStatement(
    "reserve",
    Reservation,
    """
    INSERT INTO discounts_reservation
        (promotion_id, user_id, currency, cart_value, delivery_charge, ttl_seconds)
    VALUES (%(promotion_id)s, %(user_id)s, %(currency)s, %(cart_value)s, %(delivery_charge)s,
        %(ttl_seconds)s)
    RETURNING {row}
    """,
)
# `own` is the only user whose reservations may be touched, or null for anybody's.
_CAPTURE = RowStatement(
    "capture",
    Redemption,
    """
    INSERT INTO discounts_redemption (reservation_id, order_id)
    SELECT id, %(order_id)s FROM discounts_reservation
        WHERE id = %(id)s AND (%(own)s::bigint IS NULL OR user_id = %(own)s::bigint)
    RETURNING {row}
    """,
)
_RELEASE = RowStatement(
    "release",
    Reservation,
    """
    UPDATE discounts_reservation SET state = 'released'
        WHERE id = %(id)s AND (%(own)s::bigint IS NULL OR user_id = %(own)s::bigint)
    RETURNING {row}
    """,
)
_OVERDUE = """
    SELECT DISTINCT promotion_id FROM discounts_reservation
    WHERE state = 'open' AND expires_at <= %(at)s ORDER BY promotion_id
"""
_TIDY = "SELECT discounts_release_overdue(%(id)s)"


def reserve(
    *,
    promotion_id: int,
    user_id: int,
    cart_value: Decimal,
    delivery_charge: Decimal = Decimal(0),
    currency: str | None = None,
    ttl_seconds: int = DEFAULT_TTL,
) -> Reservation:
    """Hold a discount for a while, at today's price and on today's day.

    Raises what `grant` raises.
    """
    if not 1 <= ttl_seconds <= MAX_TTL:
        raise Invalid("ttl_seconds", f"From 1 to {MAX_TTL} seconds.", "out_of_range")
    with metrics.counting_refusals(promotion_id):
        row = asked(
            promotion_id=promotion_id,
            user_id=user_id,
            cart_value=cart_value,
            delivery_charge=delivery_charge,
            currency=currency,
        )
        reservation = take(_RESERVE, row | {"ttl_seconds": ttl_seconds})
    metrics.granted("reserve", reservation.amount, reservation.currency)
    return reservation


def capture(
    reservation_id: int, *, order_id: str | None = None, of_user: int | None = None
) -> Redemption:
    """Turn what is held into a redemption, at the price it was held at, whatever the promotion does
    by now. `of_user`: only if it is theirs.

    Raises ReservationNotFound, ReservationExpired, ReservationClosed or OrderAlreadyRedeemed.
    """
    wanted = {"id": reservation_id, "own": of_user, "order_id": order_id or None}
    with metrics.counting_refusals(), heard(*errors.OF_A_CAPTURE):
        redemption = _CAPTURE.fetch(wanted)
    if redemption is None:
        raise errors.ReservationNotFound()
    metrics.granted("capture", redemption.amount, redemption.currency)
    return redemption


def release(reservation_id: int, *, of_user: int | None = None) -> Reservation:
    """Give back what is held. `of_user`: only if it is theirs.

    Raises ReservationNotFound, ReservationExpired or ReservationClosed.
    """
    with heard(errors.ReservationExpired, errors.ReservationClosed):
        released = _RELEASE.fetch({"id": reservation_id, "own": of_user})
    if released is None:
        raise errors.ReservationNotFound()
    return released


def release_overdue() -> int:
    """Give back what overdue reservations hold; gives how many. For tidiness: whoever needs what
    they hold takes it without waiting for this.

    Each promotion is a transaction of its own.
    """
    released = 0
    (at,) = fetch_one("SELECT discounts_clock()", {})
    for (promotion_id,) in fetch_all(_OVERDUE, {"at": at}):
        while (some := fetch_one(_TIDY, {"id": promotion_id})[0]) > 0:
            released += some
    return released
