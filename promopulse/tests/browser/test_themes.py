"""The pages of libraries, which know one theme only, for those who want the other."""

import base64

import pytest

PAGES = [("", "/docs"), ("", "/redoc"), ("omar", "/api/v1/dead-letters")]

# The mean brightness of a picture, from 0 (black) to 255.
BRIGHTNESS = """async picture => {
  const image = await createImageBitmap(await (await fetch(picture)).blob());
  const canvas = new OffscreenCanvas(image.width, image.height).getContext('2d');
  canvas.drawImage(image, 0, 0);
  const {data} = canvas.getImageData(0, 0, image.width, image.height);
  return data.reduce((sum, one, at) => at % 4 === 3 ? sum : sum + one, 0) / (data.length / 4 * 3);
}"""


def brightness(view):
    picture = base64.b64encode(view.page.screenshot()).decode()
    blank = view.context.new_page()  # whose policy lets a picture be looked at
    try:
        return blank.evaluate(BRIGHTNESS, f"data:image/png;base64,{picture}")
    finally:
        blank.close()


@pytest.mark.parametrize(("person", "path"), PAGES)
def test_it_is_dark_where_dark_is_wanted(window, person, path):
    for dark in (False, True):
        view = window(person, dark=dark)
        page = view.open(path)
        seen = 128.0
        for _ in range(20):  # they draw themselves, in their own time
            page.wait_for_timeout(500)
            seen = brightness(view)
            if seen < 70 if dark else seen > 200:
                break
        assert (seen < 70) if dark else (seen > 200)
