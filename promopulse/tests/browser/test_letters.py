"""Dead letters on a phone."""

from promopulse.tests.browser.window import NARROW


def test_what_can_be_done_with_a_group_is_in_sight(window):
    view = window("omar", size=NARROW)
    page = view.open("/admin/engagement/deadletterevent/")
    buttons = page.locator(".pp-groups .pp-button").all()
    assert len(buttons) >= 3
    for button in buttons:
        box = button.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= NARROW[0]
