"""Web processes killed between any two statements of a call that moves money, over HTTP.

Who sees no answer sends the same again under the same key; there is one effect, and one answer.
"""

import http.client
import uuid
from contextlib import suppress

import pytest

from promopulse.tests.live import wait_for
from promotions.discounts.tests.shops import Shop, campaign, customer, made

pytestmark = [pytest.mark.faults, pytest.mark.slow]

# Of the calls that are one statement with their record. Two of them commit: what comes after the
# first is the answer alone.
ONE_STATEMENT = {
    "before the effect": "accounts.idempotency:Claim.params",
    "after the effect, before its answer": "accounts.idempotency:keep",
    "after the answer is stored": "accounts.api.base:ApiView.finalize_response",
}
# Of one that is a transaction of several.
SEVERAL = {
    "before the lock": "accounts.idempotency:_try_lock",
    "behind the lock": "promotions.discounts.services.reversals:_what_goes_back",
    "before the reversal": "promotions.discounts.services.reversals:fetch_one",
    "after the reversal": "promotions.discounts.metrics:reversed_",
    "before its answer": "accounts.api.base:_json",
    "before the record": "django.db.models.query:QuerySet.bulk_create",
    "before the commit": "django.db.backends.base.base:BaseDatabaseWrapper.commit",
    "after the commit": "accounts.api.base:ApiView.finalize_response",
}
PLACES = {
    **{
        (call, words): place
        for call in ("apply", "reserve", "capture", "release")
        for words, place in ONE_STATEMENT.items()
    },
    **{("reverse", words): place for words, place in SEVERAL.items()},
}
# What each call leaves: budget (reserved, spent), rows (redemptions, reservations, reversals).
LEFT = {
    "apply": ((0, 1), (1, 0, 0)),
    "reserve": ((1, 0), (0, 1, 0)),
    "capture": ((0, 1), (1, 1, 0)),
    "release": ((0, 0), (0, 1, 0)),
    "reverse": ((0, 0), (1, 0, 1)),
}


@pytest.fixture(scope="module")
def instance(live):
    """Its web processes can be killed anywhere; at the end every invariant holds."""
    live.start("web", crash_at=",".join(sorted(set(PLACES.values()))))
    try:
        yield live
        audit = live.manage("audit", check=False)
        assert audit.returncode == 0, audit.stdout
    finally:
        live.kill("web")


def asked(shop, call, promotion, user):
    """Path and body of the call, with what it needs made before."""
    cart = {"campaign_id": promotion, "customer_id": user, "cart_value": "10.00"}
    if call in ("capture", "release"):
        return f"reservations/{made(shop.post('reservations', cart))}/{call}", {}
    if call == "reverse":
        return f"redemptions/{made(shop.post('discounts/apply', cart))}/reverse", {"reason": "x"}
    return {"apply": "discounts/apply", "reserve": "reservations"}[call], cart


@pytest.mark.parametrize(("call", "words"), PLACES)
def test_killed_between_two_statements_it_happens_once(instance, call, words):
    shop, key = Shop(instance), uuid.uuid4().hex
    promotion, user = campaign(shop), customer(shop)
    path, body = asked(shop, call, promotion, user)
    before = instance.crashes()
    instance.crash_next(PLACES[call, words])
    with suppress(OSError, http.client.HTTPException):
        answer = shop.post(path, body, key=key)
        raise AssertionError(f"it was answered: {answer}")
    wait_for(lambda: instance.crashes() == before + 1, 10, "nobody was killed")
    answer = shop.insist(path, body, key=key)
    assert answer.status in (200, 201), answer.content
    again = shop.insist(path, body, key=key)
    assert (again.content, again.replayed) == (answer.content, True)
    ((*budget, redemptions, reservations, reversals),) = instance.sql(
        f"""
        SELECT reserved, spent,
            (SELECT count(*) FROM discounts_redemption WHERE promotion_id = {promotion}),
            (SELECT count(*) FROM discounts_reservation WHERE promotion_id = {promotion}),
            (SELECT count(*) FROM discounts_reversal reversal JOIN discounts_redemption given
                ON given.id = reversal.redemption_id WHERE given.promotion_id = {promotion})
        FROM promotions_budget WHERE promotion_id = {promotion}
        """
    )
    assert (tuple(budget), (redemptions, reservations, reversals)) == LEFT[call]
