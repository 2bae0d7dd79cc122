"""The harness itself: what goes wrong in a window is noticed."""

from promopulse.tests.browser.window import NARROW


def test_somebody_logs_in(window):
    page = window("mia").open("/admin/")
    assert page.title()
    assert "Mia" in page.content()


def test_what_goes_wrong_is_noticed(window):
    mia = window("mia", size=NARROW)
    page = mia.open("/")
    page.evaluate("document.body.appendChild(document.createElement('script')).text = '1'")
    page.evaluate("setTimeout(() => { throw new Error('broken') })")
    page.evaluate("document.body.innerHTML += '<img src=x><pre>wide '.padEnd(400, 'x')")
    page.wait_for_timeout(200)
    told = " ".join(mia.problems)
    mia.problems.clear()
    assert "Content Security Policy" in told
    assert "broken" in told
    assert mia.too_wide() > 0
    assert any(line.startswith("image-alt") for line in mia.violations())
