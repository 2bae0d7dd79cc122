"""A marketer's journeys with coupons: ten thousand codes, and codes for the people of a pool."""

import csv
import re
import time

import pytest

from promopulse.tests.browser.console import Shop, confirm, told
from promopulse.tests.browser.window import NARROW
from promopulse.tests.live import wait_for

BOOKS = "/admin/coupons/couponbook/"
MANY = 200_000
FEW = 4_500  # two steps of a job and a bit


@pytest.fixture
def shop(instance):
    return Shop(instance)


@pytest.fixture
def mia(window):
    return window("mia")


def press(page, words):
    page.get_by_role("link", name=words, exact=True).click()
    page.wait_for_load_state("load")


def review(page, **fields):
    """Fill in a question and look at its plan."""
    for name, value in fields.items():
        if page.locator(f"select#id_{name}").count():
            page.select_option(f"#id_{name}", value)
        else:
            page.fill(f"#id_{name}", str(value))
    press_button(page, "Review...")


def press_button(page, words):
    page.get_by_role("button", name=words).click()
    page.wait_for_load_state("load")


def book(page, name, **fields):
    """Make a book in the console; `page` shows an address of the site. Its address."""
    page.goto(page.url.split("/admin/")[0] + f"{BOOKS}add/")
    page.fill("#id_name", name)
    for field, value in fields.items():
        page.fill(f"#id_{field}", str(value))
    page.click("[name=_save]")
    page.wait_for_url("**/change/**")
    return page.url


def downloaded(page, press_it):
    """The rows of the CSV that pressing something brings."""
    with page.expect_download() as download:
        press_it()
    return list(csv.DictReader(download.value.path().read_text().splitlines()))


def test_ten_thousand_codes(mia, window, shop):
    page = mia.open("/admin/")
    home = book(page, "Journey Three", code_pattern="THREE-{}")
    press(page, "Generate...")
    look = page.locator("#look")
    assert look.locator("li code").count() == 5
    assert all(code.startswith("THREE-") for code in look.locator("li code").all_inner_texts())
    assert "852,891,037,441 codes" in look.inner_text()

    # The look follows what is typed; what is impossible is refused with the most possible.
    page.fill("#id_count", "10000")
    page.wait_for_selector("#look:has-text('one time in 85,289,103')")
    assert look.locator("li code").count() == 5
    page.fill("#id_length", "4")
    page.wait_for_selector("#look:has-text('At most 9,235 codes')")
    press_button(page, "Review...")
    assert "At most 9,235 codes can be made with this pattern" in told(page)
    assert page.get_by_role("button", name=re.compile("^Generate")).count() == 0

    review(page, length=8)
    plan = told(page)
    for words in ("Generate 10,000 codes for Journey Three", "8,528,910,374 can still be made",
                  "A guess hits one time in 85,289,103", "Takes less than a second"):  # fmt: skip
        assert words in plan, words
    confirm(page, "Generate 10,000")
    assert "10,000 codes made." in told(page)
    batch = page.url
    page.goto(home)
    assert "10,000 free" in told(page)

    page = window("admin").open(batch[batch.index("/admin/") :])
    press(page, "Codes as CSV")
    rows = downloaded(page, lambda: page.get_by_role("button", name="Download").click())
    assert len(rows) == len({row["code"] for row in rows}) == 10_000
    assert all(re.fullmatch(r"THREE-[2-9A-HJKMNP-Z]{8}", row["code"]) for row in rows)
    page.goto(batch)
    press(page, "Print with QR")
    codes = page.locator("article strong").all_inner_texts()
    assert codes == [row["code"] for row in rows[:120]]
    assert page.locator("article svg").count() == 120
    press(page, "Next 120")
    assert page.locator("article strong").first.inner_text() == rows[120]["code"]


def test_a_long_list_of_codes_is_brought_by_a_job(mia, instance):
    """Its page follows the worker without being loaded again, and ends with the report."""
    page = mia.open("/admin/")
    book(page, "Journey Three, brought")
    press(page, "Upload...")
    text = "code\n" + "".join(f"BROUGHT-{number:05}\n" for number in range(FEW))
    file = {"name": "codes.csv", "mimeType": "text/csv", "buffer": text.encode()}
    page.set_input_files("#id_file", file)
    press_button(page, "Review...")
    assert "So many are taken by a job" in told(page)
    press_button(page, f"Bring {FEW:,}")
    assert "A job does it." in told(page)
    report = page.locator("#progress", has_text=f"{FEW:,} codes brought into the book.")
    report.wait_for(timeout=30_000)
    assert f"{FEW:,} of {FEW:,}" in report.inner_text()
    report.get_by_role("link", name=re.compile("^Batch")).click()
    page.wait_for_url("**/codebatch/**")
    assert "Done" in told(page)
    left = "SELECT count(*) FROM accounts_jobinput"
    assert instance.sql(left) == [(0,)]

    page = mia.open(BOOKS)
    listed = downloaded(page, lambda: page.get_by_role("button", name="Export").click())
    assert any(row["name"] == "Journey Three, brought" for row in listed)


def test_progress_goes_on_while_one_is_away(mia, instance):
    page = mia.open("/admin/")
    book(page, "Journey Three, more")
    press(page, "Generate...")
    review(page, count=MANY)
    assert "by a job" in told(page)
    confirm(page, f"Generate {MANY:,}")
    assert "A job makes the codes." in told(page)
    batch, number = page.url, re.search(r"/codebatch/(\d+)/", page.url)[1]
    assert page.get_by_role("progressbar").count() == 1

    page = mia.open("/admin/accounts/job/")
    row = page.locator("tr", has_text="200,000 codes for Journey Three, more")
    assert "Mia Marketer" in row.inner_text()
    done = f"SELECT status, done FROM coupons_codebatch WHERE id = {number}"
    wait_for(lambda: instance.sql(done) == [("done", MANY)], 90, "the codes were not made")
    distinct = f"SELECT count(DISTINCT code) FROM coupons_coupon WHERE batch_id = {number}"
    assert instance.sql(distinct) == [(MANY,)]
    page.goto(batch)
    assert "200,000 of 200,000" in told(page)
    page = mia.open("/admin/accounts/job/")
    row = page.locator("tr", has_text="200,000 codes for Journey Three, more")
    row.get_by_role("link").first.click()
    page.wait_for_selector("text=200,000 of 200,000")
    page.wait_for_selector("#progress:has-text('Done')")
    assert page.get_by_role("link", name="Codes as CSV").count() == 1


def test_a_large_book_opens_at_once(mia, instance):
    """After the journey above, its book has 200,000 codes."""
    ((pk,),) = instance.sql(
        "SELECT max(id) FROM coupons_couponbook WHERE name = 'Journey Three, more'"
    )
    if pk is None:
        pytest.skip("the journey before has made no book")
    instance.sql("ANALYZE coupons_coupon")  # as the database does by itself after a minute
    for path in (f"{BOOKS}", f"{BOOKS}{pk}/change/", f"/admin/coupons/coupon/?book={pk}",
                 f"/admin/coupons/coupon/?book={pk}&state=UNASSIGNED"):  # fmt: skip
        mia.open(path)
        best = min(first_byte(mia, path) for _ in range(5))
        assert best < 300, (path, best)


def first_byte(view, path):
    started = time.perf_counter()
    answer = view.context.request.get(f"{view.address}{path}")
    assert answer.status == 200
    return (time.perf_counter() - started) * 1000


def test_a_batch_is_stopped(mia, instance):
    page = mia.open("/admin/")
    book(page, "Journey Three, stopped")
    instance.stop("worker")
    instance.stop("beat")
    try:
        press(page, "Generate...")
        review(page, count=MANY)
        confirm(page, f"Generate {MANY:,}")
        press(page, "Stop...")
        confirm(page, "Stop", "Too many")
        assert "Stopped at 0 of 200,000 codes." in told(page)
        assert "Cancelled" in told(page)
    finally:
        instance.start("worker")
        instance.start("beat")


def people(shop, *names):
    return [shop.customer(name) for name in names]


def test_distribute_to_a_pool(mia, shop, instance):
    page = mia.open("/admin/")
    home = book(page, "Journey Four", max_assignments_per_user=3)
    press(page, "Generate...")
    review(page, count=20)
    confirm(page, "Generate 20")
    number = int(re.search(r"/couponbook/(\d+)/", home)[1])

    ann, ben, cleo, full = people(shop, "Ann", "Ben", "Cleo", "Full")
    shop.must("POST", "coupons/assign", {"book_id": number, "user_id": full, "count": 2})
    pool = shop.must("POST", "pools", {"name": f"Journey Four {time.time_ns()}"})["id"]
    page = mia.open(f"/admin/accounts/pool/{pool}/change/")
    press(page, "Paste or upload people...")
    page.fill("#id_pasted", f"{ann}\n{ben}\n{cleo}\n{full}\n{ann}\nnobody@example.com")
    press_button(page, "Review...")
    verdicts = told(page)
    assert "Joins 4" in verdicts
    assert "Named twice 1" in verdicts
    assert "Unknown 1" in verdicts
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the rejected rows").click()
    assert "nobody@example.com" in download.value.path().read_text()
    press_button(page, "Put 4 in")
    assert "4 people put into the pool." in told(page)

    # Equal: the same share for each, who has too little room is skipped and named.
    press(page, "Distribute...")
    page.locator(".select2-selection").nth(1).click()
    page.locator(".select2-search__field").fill("Journey Four")
    page.get_by_role("option", name=re.compile(f"book {number}$")).click()
    review(page, mode="equal", counted="each", how_many=2, seed=4711)
    plan = told(page)
    for words in ("Free now 18", "Given 6 to 3 people", "A share 2", "Left over 0", "Seed 4711",
                  "Skipped 1 person", "Full The book's limit for a person"):  # fmt: skip
        assert words in plan, words
    free = f"SELECT count(*) FROM coupons_coupon WHERE book_id = {number} AND state = 'UNASSIGNED'"
    assert instance.sql(free) == [(18,)], "a plan does nothing"
    confirm(page, "Give 6", "For June")
    assert "6 coupons given to 3 people." in told(page)
    assert instance.sql(free) == [(12,)]
    page.get_by_role("link", name="Undo...").first.click()
    confirm(page, "Take 6 back", "Wrong people")
    assert "6 coupons taken back." in told(page)
    assert instance.sql(free) == [(18,)]

    # At random: each coupon to somebody; what changed meanwhile is to be reviewed again.
    page.goto(f"{home}")
    press(page, "Distribute...")
    page.locator(".select2-selection").first.click()
    page.locator(".select2-search__field").fill("Journey Four")
    page.get_by_role("option", name=re.compile(f"pool {pool}$")).click()
    review(page, mode="random", counted="all", how_many=5, seed=7)
    assert "Given 5 to" in told(page)
    shop.must("POST", "coupons/assign", {"book_id": number, "user_id": full, "count": 1})
    confirm(page, "Give 5")
    assert "The plan changed, review it again." in told(page)
    assert "Given 5 to" in told(page)
    confirm(page, "Give 5")
    assert "5 coupons given to" in told(page)
    given = "SELECT sum(assigned) FROM coupons_distribution WHERE undone_at IS NULL AND "
    assert instance.sql(f"{given} book_id = {number}") == [(5,)]
    assert instance.sql(free) == [(12,)]


def test_codes_are_brought_on_a_phone(window):
    view = window("mia", size=NARROW)
    page = view.open("/admin/")
    book(page, "Journey Three, brought")
    press(page, "Upload...")
    page.fill("#id_pasted", "PHONE-1\nphone 1\nPHONE-2\nno/code")
    press_button(page, "Review...")
    assert "New 2" in told(page)
    assert "Can be no code 1" in told(page)
    assert view.too_wide() == 0
    press_button(page, "Bring 2")
    assert "2 codes brought into the book." in told(page)
