"""64 and 200 clients at once over HTTP: none is failed, none waits long, every cent is right."""

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from promotions.discounts.tests.shops import Shop, campaign, customer, made

pytestmark = [pytest.mark.faults, pytest.mark.slow]

# Far more than anybody waits on a machine that does nothing else: this one may be busy.
PATIENCE_SECONDS = 15.0
CROWDS = [64, 200]


@pytest.fixture(scope="module")
def instance(live):
    """No limits but what the machine can do; at the end every invariant holds."""
    before = dict(live.env)
    live.env["RATE_LIMITS"] = "off"
    live.start("web")
    try:
        yield live
        audit = live.manage("audit", check=False)
        assert audit.returncode == 0, audit.stdout
        assert "PoolTimeout" not in live.log("web")
    finally:
        live.env = before
        live.kill("web")


def crowd(instance, size, visit):
    """`visit` by so many clients that come at one moment, each with its own shop."""
    door = threading.Barrier(size)
    shops = [Shop(instance) for _ in range(size)]

    def enter(number):
        door.wait(timeout=30)
        try:
            return visit(shops[number], number)
        finally:
            shops[number].close()

    with ThreadPoolExecutor(size) as pool:
        outcomes = list(pool.map(enter, range(size)))
    statuses = [status for shop in shops for status in shop.statuses]
    assert [status for status in statuses if status >= 500] == []
    assert max(shop.slowest for shop in shops) < PATIENCE_SECONDS
    return outcomes, statuses


def budget_of(instance, promotion):
    ((reserved, spent, ledger),) = instance.sql(
        f"""
        SELECT reserved, spent, (SELECT sum(CASE kind WHEN 'capture' THEN amount
                WHEN 'reverse' THEN -amount ELSE 0 END)
            FROM promotions_budgetentry WHERE budget_id = budget.id)
        FROM promotions_budget budget WHERE promotion_id = {promotion}
        """
    )
    return reserved, spent, ledger


@pytest.mark.parametrize("size", CROWDS)
def test_a_crowd_on_one_hot_campaign_gets_what_there_is(instance, size):
    """Each comes twice, every other one under a key: the budget is for one and a half visits."""
    desk = Shop(instance)
    promotion, user = campaign(desk, budget=f"{size * 3 // 2}.00"), customer(desk)
    cart = {"campaign_id": promotion, "customer_id": user, "cart_value": "20.00"}

    def visit(shop, number):
        keys = [uuid.uuid4().hex if number % 2 else None for _ in range(2)]
        return [shop.post("discounts/apply", cart, key=key) for key in keys]

    outcomes, statuses = crowd(instance, size, visit)
    answers = [answer for visits in outcomes for answer in visits]
    assert statuses.count(201) == size * 3 // 2
    refusals = [answer.json["code"] for answer in answers if answer.status != 201]
    assert refusals == ["budget_exhausted"] * (size // 2)
    assert budget_of(instance, promotion) == (0, size * 3 // 2, size * 3 // 2)
    ids = {answer.json["id"] for answer in answers if answer.status == 201}
    assert len(ids) == size * 3 // 2


@pytest.mark.parametrize("size", CROWDS)
def test_a_crowd_that_does_everything_at_once_leaves_exact_sums(instance, size):
    """Look, reserve, capture or release, apply, reverse: what they saw adds up to what is kept."""
    desk = Shop(instance)
    promotion, user = campaign(desk, budget="100000.00"), customer(desk)
    cart = {"campaign_id": promotion, "customer_id": user, "cart_value": "20.00"}

    def visit(shop, number):
        call = partial(shop.post, key=uuid.uuid4().hex if number % 2 else None)
        offers = call("discounts/available", {"customer_id": user, "cart_value": "20.00"})
        assert offers.status == 200, offers.content
        held = made(call("reservations", cart))
        ending = "release" if number % 4 == 0 else "capture"
        assert call(f"reservations/{held}/{ending}").status == 200
        given = made(call("discounts/apply", cart))
        if number % 3 == 0:
            made(call(f"redemptions/{given}/reverse", {"amount": "0.25"}))
        return (ending == "capture") + 1 - (0.25 if number % 3 == 0 else 0)

    spent, _ = crowd(instance, size, visit)
    assert budget_of(instance, promotion) == (0, sum(spent), sum(spent))
