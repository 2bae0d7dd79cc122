"""Money and a day's use held at checkout: reserve, then capture or release."""

from decimal import Decimal

from accounts.idempotency import Claim
from promopulse.lib.errors import Invalid
from promopulse.lib.fields import MAX_ID
from promopulse.lib.sql import fetch_all, fetch_one
from promotions.discounts import errors, metrics
from promotions.discounts.models import MAX_TTL, Redemption, Reservation
from promotions.discounts.services.asking import asked
from promotions.discounts.services.effects import Effect

DEFAULT_TTL = 900  # seconds

_RESERVE = Effect(
    "reserve",
    Reservation,
    """
    INSERT INTO discounts_reservation
        (promotion_id, user_id, currency, cart_value, delivery_charge, ttl_seconds)
    SELECT %(promotion_id)s::bigint, %(user_id)s::bigint, %(currency)s::varchar,
        %(cart_value)s::numeric, %(delivery_charge)s::numeric, %(ttl_seconds)s::integer
    WHERE {free}
    """,
    status=201,
    refusals=errors.OF_A_GRANT,
)
# `own` is the only user whose reservations may be touched, or null for anybody's.
_CAPTURE = Effect(
    "capture",
    Redemption,
    """
    INSERT INTO discounts_redemption (reservation_id, order_id)
    SELECT id, %(order_id)s::varchar FROM discounts_reservation
    WHERE id = %(id)s::bigint AND (%(own)s::bigint IS NULL OR user_id = %(own)s::bigint)
        AND {free}
    """,
    status=200,
    refusals=errors.OF_A_CAPTURE,
)
_RELEASE = Effect(
    "release",
    Reservation,
    """
    UPDATE discounts_reservation SET state = 'released'
    WHERE id = %(id)s::bigint AND (%(own)s::bigint IS NULL OR user_id = %(own)s::bigint)
        AND {free}
    """,
    status=200,
    refusals=(errors.ReservationExpired, errors.ReservationClosed),
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
    claim: Claim | None = None,
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
        reservation = _RESERVE.patiently(row | {"ttl_seconds": ttl_seconds}, claim)
    assert reservation is not None  # an insert gives its row or refuses
    metrics.granted("reserve", reservation.amount, reservation.currency)
    return reservation


def capture(
    reservation_id: int,
    *,
    order_id: str | None = None,
    of_user: int | None = None,
    claim: Claim | None = None,
) -> Redemption:
    """Turn what is held into a redemption, at the price it was held at, whatever the promotion does
    by now. `of_user`: only if it is theirs. `claim`: as of `grant`.

    Raises ReservationNotFound, ReservationExpired, ReservationClosed, OrderAlreadyRedeemed or
    NotOurs.
    """
    _must_be_an_id(reservation_id)
    wanted = {"id": reservation_id, "own": of_user, "order_id": order_id or None}
    with metrics.counting_refusals():
        redemption = _CAPTURE.run(wanted, claim)
    if redemption is None:
        raise errors.ReservationNotFound()
    metrics.granted("capture", redemption.amount, redemption.currency)
    return redemption


def release(
    reservation_id: int, *, of_user: int | None = None, claim: Claim | None = None
) -> Reservation:
    """Give back what is held. `of_user`: only if it is theirs. `claim`: as of `grant`.

    Raises NotOurs, ReservationNotFound, ReservationExpired or ReservationClosed.
    """
    _must_be_an_id(reservation_id)
    released = _RELEASE.run({"id": reservation_id, "own": of_user}, claim)
    if released is None:
        raise errors.ReservationNotFound()
    return released


def _must_be_an_id(number: int) -> None:
    """What no column holds is nobody's id. Raises ReservationNotFound."""
    if number > MAX_ID:
        raise errors.ReservationNotFound()


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
