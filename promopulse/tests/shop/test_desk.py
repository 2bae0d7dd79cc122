"""The desk: books, looking somebody up, giving coupons, spreading codes over a pool."""

import re

import pytest

from accounts.jobs import brought, running
from accounts.models import Job
from accounts.tests.factories import PoolFactory, PoolMembershipFactory, UserFactory
from promopulse.tests.shop.browsing import logged_in, told
from promotions.coupons.models import Coupon, Distribution
from promotions.coupons.services import assigning, redeeming
from promotions.coupons.tests.factories import BookFactory, held, made

pytestmark = pytest.mark.django_db


@pytest.fixture
def mia():
    return logged_in(role="marketer")


@pytest.fixture
def book():
    found = BookFactory(name="Summer", max_assignments_per_user=5)
    made(found, 20)
    return found


@pytest.fixture
def pool():
    return PoolMembershipFactory(user__name="Ann").pool


def assign(client, book, user, **form):
    return told(client, client.post(f"/desk/books/{book.pk}/people/{user.pk}", form))[0]


def spread(pool, book, **form):
    """A distribution as the form sends it."""
    wanted = {"book_id": book.pk, "mode": "equal", "how_many": 2, "counted": "each"}
    return f"/desk/pools/{pool.pk}/distribute", wanted | form


def hidden(page):
    """What a preview sends back."""
    pairs = re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page.content.decode())
    return {name: value for name, value in pairs if name != "csrfmiddlewaretoken"}


def test_books_show_what_is_left_of_them(mia, book, django_assert_num_queries):
    assigning.assign(book.pk, user_id=UserFactory().pk, count=3)
    BookFactory(name="Bare")
    with django_assert_num_queries(3):  # session, user, books; the counts are prepared
        page = mia.get("/desk/books")
    bare, summer = page.context["books"]
    assert (summer.counts.unassigned, summer.counts.assigned) == (17, 3)
    assert "Open" in summer.badge
    assert "None left" in bare.badge


def test_somebody_is_found_by_the_whole_address_which_stays_masked(mia, book):
    user = UserFactory(name="Ann", email="ann.long@example.com")
    answer = mia.post(f"/desk/books/{book.pk}/find", {"email": "ANN.long@example.com"})
    assert "ann.long" not in answer["Location"].lower()
    page = mia.get(answer["Location"]).content.decode()
    assert "Ann" in page
    assert "ann.long@" not in page
    assert "0 of at most 5" in page
    assert f"/desk/people/{user.pk}/coupons" in page


@pytest.mark.parametrize("email", ["nobody@example.com", "ann", ""])
def test_an_unknown_address_is_told_so(mia, book, email):
    UserFactory(email="ann@example.com")
    found, _page = told(mia, mia.post(f"/desk/books/{book.pk}/find", {"email": email}))
    assert (found.status, found.code, found.words) == (404, "not_found", "User not found")


def test_the_sixth_of_five_is_refused(mia, book):
    user = UserFactory()
    done = assign(mia, book, user, count="5")
    assert (done.status, done.words) == (201, "Assigned: 5 coupons.")
    for form in ({"count": "1"}, {"code": Coupon.objects.filter(state="UNASSIGNED")[0].code}):
        refused = assign(mia, book, user, **form)
        assert (refused.status, refused.code) == (422, "max_assignments_exceeded")
        assert refused.words == "Maximum assignments exceeded (5/5)"
    assert Coupon.objects.filter(assigned_to=user).count() == 5


def test_an_assigned_code_is_not_available(mia, book):
    coupon = held(book=book)
    refused = assign(mia, book, UserFactory(), code=coupon.code)
    assert (refused.status, refused.words) == (409, "Coupon not available")
    free = Coupon.objects.filter(state="UNASSIGNED")[0]
    user = UserFactory()
    assert assign(mia, book, user, code=free.code.lower()).status == 201
    free.refresh_from_db()
    assert free.assigned_to == user


@pytest.mark.parametrize(
    "form", [{}, {"count": ""}, {"count": "-1"}, {"count": "0"}, {"count": "9" * 30}, {"code": " "}]
)
def test_what_says_neither_code_nor_number_is_told_so(mia, book, form):
    assert assign(mia, book, UserFactory(), **form).status == 422
    assert not Coupon.objects.exclude(state="UNASSIGNED").exists()


def test_a_large_plan_is_done_and_undone_by_jobs(mia, book, pool, monkeypatch):
    monkeypatch.setattr(brought, "AT_ONCE", 1)
    path, form = spread(pool, book)
    preview = mia.post(path, form)
    said = told(mia, mia.post(path, hidden(preview)))[0].words
    job = Job.objects.get()
    assert said.startswith("A job does it: Give 2 coupons of Summer to ")
    assert f"Job {job.pk} in the admin" in said
    assert not Distribution.objects.exists()
    running.run(job.pk)
    distribution = Distribution.objects.get()
    assert (distribution.plan, distribution.assigned) == (preview.context["plan"].hash, 2)
    undo = f"/desk/distributions/{distribution.pk}/undo"
    assert told(mia, mia.post(undo))[0].words.startswith("A job does it: Take 2 coupons of Summer")
    assert Coupon.objects.filter(distribution=distribution).count() == 2
    running.run(Job.objects.latest("pk").pk)
    assert not Coupon.objects.filter(distribution=distribution).exists()


def test_guessing_codes_is_limited_as_in_the_api(rate_limits, mia, book):
    user = UserFactory()
    statuses = [assign(mia, book, user, code=f"GUESS{n:03}").status for n in range(21)]
    assert statuses == [404] * 20 + [429]


def test_a_plan_is_shown_then_done_then_undone(mia, book, pool):
    full = PoolMembershipFactory(pool=pool, user__name="Full").user
    assigning.assign(book.pk, user_id=full.pk, count=5)
    path, form = spread(pool, book)
    preview = mia.post(path, form)
    assert preview.status_code == 200
    assert not Distribution.objects.exists()
    assert preview.context["shares"] == [("Ann", 2)]
    assert preview.context["skipped"] == [("Full", "Has as many of the book as it allows")]

    done, page = told(mia, mia.post(path, hidden(preview)))
    assert done.words == "Distributed: 2 coupons, 1 person."
    assert "Summer" in page.content.decode()
    distribution = Distribution.objects.get()
    assert (distribution.plan, distribution.assigned) == (preview.context["plan"].hash, 2)

    back, page = told(mia, mia.post(f"/desk/distributions/{distribution.pk}/undo"))
    assert back.words == "Taken back: 2 coupons, 1 person."
    assert "Taken back" in page.content.decode()
    assert not Coupon.objects.filter(distribution=distribution).exists()


def test_a_plan_that_changed_is_reviewed_again(mia, book, pool):
    path, form = spread(pool, book)
    preview = mia.post(path, form)
    PoolMembershipFactory(pool=pool)
    refused, _page = told(mia, mia.post(path, hidden(preview)))
    assert (refused.status, refused.code) == (409, "plan_changed")
    assert not Distribution.objects.exists()


def test_what_was_used_is_not_taken_back(mia, book, pool):
    path, form = spread(pool, book)
    mia.post(path, hidden(mia.post(path, form)))
    coupon = Coupon.objects.filter(state="ASSIGNED")[0]
    redeeming.redeem(coupon.code, user_id=coupon.assigned_to_id)
    distribution = Distribution.objects.get()
    refused, _page = told(mia, mia.post(f"/desk/distributions/{distribution.pk}/undo"))
    assert (refused.status, refused.words) == (409, "1 of its coupons were used.")
    distribution.refresh_from_db()
    assert distribution.undone_at is None


@pytest.mark.parametrize(
    ("form", "status", "words"),
    [
        ({"how_many": "100", "counted": "all", "mode": "random"}, 409, "free codes left"),
        ({"how_many": "0"}, 422, "greater than or equal to 1"),
        ({"book_id": "987654321"}, 422, "Select a valid choice"),
        ({"mode": "odd"}, 422, "Select a valid choice"),
    ],
)
def test_what_cannot_be_distributed_is_said_on_the_form(mia, pool, form, status, words):
    book = BookFactory()
    made(book, 3)
    path, wanted = spread(pool, book, **form)
    answer = mia.post(path, wanted)
    assert answer.status_code == status
    assert words in answer.content.decode()
    assert not Distribution.objects.exists()


# Who may


PAGES = ["/desk/books", "/desk/books/{book}", "/desk/pools", "/desk/pools/{pool}"]
POSTS = [
    ("/desk/books/{book}/people/{user}", {"count": "1"}),
    ("/desk/pools/{pool}/distribute", {"mode": "equal", "how_many": "1", "counted": "each"}),
    ("/desk/distributions/1/undo", {}),
]


@pytest.mark.parametrize(
    ("role", "reads", "writes"),
    [
        ("customer", False, False),
        ("viewer", False, False),
        ("ops", True, False),
        ("marketer", True, True),
        ("admin", True, True),
    ],
)
def test_who_reads_and_who_writes(role, reads, writes, book, pool):
    client = logged_in(role=role)
    names = {"book": book.pk, "pool": pool.pk, "user": UserFactory().pk}
    for path in PAGES:
        assert client.get(path.format(**names)).status_code == (200 if reads else 403)
    assert ("/desk/books" in client.get("/my").content.decode()) is reads
    for path, form in POSTS:
        answer = client.post(path.format(**names), form | {"book_id": book.pk})
        assert (answer.status_code == 403) is not writes
    assert Coupon.objects.filter(state="ASSIGNED").exists() is writes
    find = client.post(f"/desk/books/{book.pk}/find", {"email": "x@example.com"})
    assert find.status_code == (302 if reads else 403)


@pytest.mark.parametrize(
    ("role", "sees", "in_clear", "acts"),
    [
        ("customer", False, False, False),
        ("ops", True, False, False),
        ("marketer", True, False, False),
        ("admin", True, True, True),
    ],
)
def test_a_persons_coupons(role, sees, in_clear, acts):
    client, coupon = logged_in(role=role), held()
    path = f"/desk/people/{coupon.assigned_to_id}/coupons"
    page = client.get(path)
    assert page.status_code == (200 if sees else 403)
    assert (coupon.code in page.content.decode()) is in_clear
    assert client.get(f"{path}/{coupon.pk}/qr").status_code == (200 if in_clear else 403)
    answer = client.post(f"{path}/{coupon.pk}/act", {"action": "lock"})
    assert answer.status_code == (302 if acts else 403)
    coupon.refresh_from_db()
    assert (coupon.state == "LOCKED") is acts
    assert client.post(f"{path}/{held().pk}/act", {"action": "lock"}).status_code == (
        404 if sees else 403
    )


@pytest.mark.parametrize(
    "path", ["/desk/books/9", "/desk/pools/9", "/desk/people/987654321/coupons"]
)
def test_what_is_not_there_is_404(mia, path):
    assert mia.get(path).status_code == 404
    assert mia.post("/desk/distributions/987654321/undo").status_code == 404


def test_empty_desks_say_so(mia):
    assert "No books yet" in mia.get("/desk/books").content.decode()
    assert "No pools yet" in mia.get("/desk/pools").content.decode()
    PoolFactory(name="Lone")
    assert "<strong>0</strong><span>people" in mia.get("/desk/pools").content.decode()
