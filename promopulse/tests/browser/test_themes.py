"""The pages of libraries, which know one theme only, for those who want the other.

Judged by what is drawn behind the words of their parts, once they have drawn themselves.
"""

import pytest

# Redoc has its samples on dark ground in either theme.
SAMPLES = ".react-tabs__tab-panel"
# Who, where, and parts of the page; the first is there when the library has drawn.
PAGES = [
    ("", "/docs", (".swagger-ui .opblock-summary-description", ".swagger-ui .info .title")),
    ("", "/redoc", (".api-content h1", ".api-content h5", ".menu-content label", SAMPLES)),
    ("omar", "/api/v1/dead-letters", (".response-info", ".breadcrumb .active", ".page-header h1")),
]
# A library may draw a thousand operations at once, on a machine that is busy.
DRAWN_MS = 60_000

# From 0 (black) to 1 (white): the colour of the words, and what is behind them.
SHADES = """selector => {
  const canvas = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true});
  const turned = getComputedStyle(document.documentElement).filter.includes('invert');
  const shade = (colours) => {
    canvas.clearRect(0, 0, 1, 1);
    for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
    const [red, green, blue] = canvas.getImageData(0, 0, 1, 1).data;
    const light = (0.2126 * red + 0.7152 * green + 0.0722 * blue) / 255;
    return turned ? 1 - light : light;
  };
  const element = document.querySelector(selector);
  const layers = [];
  for (let one = element; one; one = one.parentElement)
    layers.unshift(getComputedStyle(one).backgroundColor);
  const plain = matchMedia('(prefers-color-scheme: dark)').matches
    && getComputedStyle(document.documentElement).colorScheme === 'dark' ? 'black' : 'white';
  const behind = [plain, ...layers];
  return [shade([...behind, getComputedStyle(element).color]), shade(behind)];
}"""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(("person", "path", "parts"), PAGES)
def test_it_is_dark_where_dark_is_wanted(window, person, path, parts, dark):
    page = window(person, dark=dark).open(path)
    page.wait_for_selector(parts[0], timeout=DRAWN_MS)
    shades = {part: page.evaluate(SHADES, part) for part in parts}
    for part, (words, behind) in shades.items():
        is_dark = dark or part == SAMPLES
        assert (behind < 0.3 < 0.5 < words) if is_dark else (words < 0.6 < 0.8 < behind), part
