"""The pages of customers in a browser: two windows, the keyboard alone, no scripts."""

import json
import re

import pytest

from promopulse.tests.browser.window import NARROW, NARROWEST, WIDE

APPEARANCES = [
    pytest.param(WIDE, False, id="wide-light"),
    pytest.param(WIDE, True, id="wide-dark"),
    pytest.param(NARROW, False, id="phone-light"),
    pytest.param(NARROWEST, True, id="smallest-dark"),
]
PAGES = [
    "/my",
    "/my/coupons",
    "/my/coupons?tab=locked",
    "/my/coupons?tab=redeemed",
    "/my/coupons?tab=expired",
    "/my/coupons?showcase=1",
    "/my/code",
    "/my/offers",
    "/my/offers?cart_value=20&delivery_charge=4.90&currency=USD",
    "/my/activity",
    "/my/activity?tab=coupons",
    "/my/activity?tab=subscriptions",
]
DESK = ["/desk/books", "/desk/books/1?user=4", "/desk/pools", "/desk/pools/1"]
LIST, SHOWCASE = "/my/coupons", "/my/coupons?showcase=1"

_MAKE = """
import json
from accounts.services.users import create_user
from promotions.coupons.services import assigning, batches, books
person = create_user(name="Test Customer", email={email!r}, password="demo123")
book = books.create_book(name="Browser")
batches.generate(book.pk, count={count})
held = assigning.assign(book.pk, user_id=person.pk, count={count})
print(json.dumps([[one.pk, one.code] for one in held]))
"""


@pytest.fixture
def customer(instance, window, request):
    """A new customer with so many coupons, in a window: `page, coupons = customer(2)`."""

    def make(count=1, **how):
        email = f"{abs(hash(request.node.nodeid))}@example.org"
        coupons = json.loads(instance.python(_MAKE.format(email=email, count=count)))
        view = window(**how)
        view.log_in(email, "demo123")
        view.email = email
        return view, coupons

    return make


def press(view, words):
    """Press a button and read what is told beside the card."""
    view.page.get_by_role("button", name=words, exact=True).first.click()
    view.page.wait_for_load_state()
    return outcome(view)


def outcome(view):
    return view.page.locator(".told strong").inner_text()


def test_every_outcome_is_told_in_the_promised_words(customer):
    view, _coupons = customer()
    view.open(SHOWCASE)
    for words, said in [
        ("Lock", "Locked: nobody else can use it meanwhile."),
        ("Try redeem without the token (will fail)", "Cannot redeem LOCKED coupon"),
        ("Try lock (will fail)", "Already locked"),
        ("Unlock with the token", "Unlocked: it can be used again."),
        ("Redeem", "Redeemed."),
        ("Try redeem (will fail)", "Terminal state"),
        ("Try lock (will fail)", "Invalid transition"),
    ]:
        assert press(view, words) == said
    assert "409 coupon_redeemed" in view.page.locator(".told").inner_text()
    assert "told=" not in view.page.url


def test_two_windows_at_once_use_it_once(customer, window):
    one, _coupons = customer()
    other = window()
    other.log_in(one.email, "demo123")
    for view in (one, other):
        view.open(SHOWCASE)
    for view in (one, other):
        view.page.evaluate(
            "setTimeout(() => document.querySelector('button[value=redeem]').click(), 300)"
        )
    for view in (one, other):
        view.page.wait_for_selector(".told")
    said = {outcome(one), outcome(other)}
    assert "Redeemed." in said
    assert (said - {"Redeemed."}) <= {"Terminal state", "Concurrent redemption detected"}
    assert len(said) == 2


def tab_to(view, words):
    """Walk with the tab key until something with these words has the focus."""
    for _ in range(40):
        view.page.keyboard.press("Tab")
        if view.page.evaluate("document.activeElement.textContent.trim()").startswith(words):
            return
    raise AssertionError(f"no way to {words!r} by keyboard")


def test_the_keyboard_is_enough(customer):
    view, ((_pk, code),) = customer()
    view.open(LIST)
    for step, said in [("Lock", "Locked"), ("Unlock", "Unlocked")]:
        tab_to(view, f"{step} {code}")
        view.page.keyboard.press("Enter")
        view.page.wait_for_selector(f".told:has-text('{said}')")
        # What was told has the focus: it is read out, and the next tab goes on from there.
        assert view.page.evaluate("document.activeElement.className").startswith("told")
        view.open(LIST if step == "Unlock" else f"{LIST}?tab=locked")
    tab_to(view, f"Use… {code}")
    view.page.keyboard.press("Enter")
    view.page.wait_for_url("**/use")
    tab_to(view, "Use it now")
    view.page.keyboard.press("Enter")
    view.page.wait_for_selector(".told:has-text('Redeemed.')")
    assert code in view.page.locator(".code").inner_text()


def test_scripts_are_not_needed_on_the_smallest_phone(customer):
    view, ((_pk, code),) = customer(scripts=False, size=NARROWEST)
    view.open(LIST)
    assert not view.page.get_by_text("Copy", exact=True).is_visible()
    press(view, f"Lock {code}")
    assert re.search(r"\d min \d+ s left|5 min", view.page.inner_text(".ticket"))
    press(view, f"Unlock {code}")
    view.page.get_by_role("link", name=f"QR code of {code}").click()
    assert view.page.get_by_role("img", name=f"QR code of {code}").is_visible()
    view.page.get_by_role("link", name="Back to the coupons").click()
    view.page.get_by_role("link", name=f"Use… {code}").click()
    assert press(view, "Use it now") == "Redeemed."
    assert view.page.url.split("?")[0].endswith(LIST)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_customer_on_a_small_phone_with_nothing_but_keys(customer, dark):
    """Without scripts, 320 pixels wide: select the code, lock it, let go of it, use it."""
    view, ((_pk, code),) = customer(scripts=False, size=NARROWEST, dark=dark)
    page = view.open(LIST)
    page.locator(".code").click()  # a tap selects all of it, for the phone's own "Copy"
    assert page.evaluate("String(getSelection())").strip() == code
    for step, said in [("Lock", "Locked"), ("Unlock", "Unlocked")]:
        tab_to(view, f"{step} {code}")
        with page.expect_navigation():
            page.keyboard.press("Enter")
        assert outcome(view).startswith(said)
        assert view.too_wide() == 0
        view.open(LIST if step == "Unlock" else f"{LIST}?tab=locked")
    for words in (f"Use… {code}", "Use it now"):
        tab_to(view, words)
        with page.expect_navigation():
            page.keyboard.press("Enter")
    assert outcome(view) == "Redeemed."


def test_a_code_is_copied(customer):
    view, ((_pk, code),) = customer()
    view.context.grant_permissions(["clipboard-read", "clipboard-write"])
    view.open(LIST)
    view.page.get_by_role("button", name="Copy").click()
    view.page.wait_for_selector("text=Copied")
    assert view.page.evaluate("navigator.clipboard.readText()") == code


def test_a_lock_counts_down_and_the_page_follows(customer, instance):
    view, ((pk, _code),) = customer()
    instance.python(
        "from promotions.coupons.services import holding; "
        f"from promotions.coupons.models import Coupon; one = Coupon.objects.get(pk={pk}); "
        "holding.lock(one.code, user_id=one.assigned_to_id, seconds=8)"
    )
    view.open(f"{LIST}?tab=locked")
    if view.page.locator("[data-countdown]").count():  # still held on a slow machine
        shown = view.page.locator("[data-countdown]").inner_text()
        view.page.wait_for_function(
            "before => !document.querySelector('[data-countdown]')"
            " || document.querySelector('[data-countdown]').innerText !== before",
            arg=shown,
        )
    view.page.wait_for_selector("text=Nothing is locked")


@pytest.mark.parametrize(("size", "dark"), APPEARANCES)
def test_pages(window, size, dark):
    found = {}
    for person, paths in [("alice", PAGES), ("mia", DESK)]:
        view = window(person, size=size, dark=dark)
        for path in paths:
            page = view.open(path)
            assert page.title().endswith(" · PromoPulse")
            wrong = view.violations()
            if over := view.too_wide():
                wrong.append(f"{over} px too wide")
            if wrong:
                found[path] = wrong
    visitor = window(size=size, dark=dark)
    visitor.open("/login")
    if wrong := visitor.violations():
        found["/login"] = wrong
    assert found == {}
