"""A small file that a person brings, read as a list: a CSV file with a header, or bare lines."""

import csv
import io
from collections.abc import Sequence
from itertools import islice

from promopulse.lib.errors import Invalid

_DELIMITERS = ",;\t"


def column_of(
    content: bytes, names: Sequence[str], *, most: int, expected: str, reason: str
) -> list[str]:
    """One value a row, in the order of the file: the first that is filled of the columns `names`
    (the best first), or the only column where there is no header. Empty lines say nothing.

    Reads no further than to see that there are more than `most`. Raises Invalid; where there is no
    such column, with the words `expected` and the code `reason`.
    """
    rows = _rows(content, most + 2)  # a header, and one more than may be brought
    header = [name.strip().lower() for name in rows[0]] if rows else []
    places = [header.index(name) for name in names if name in header]
    if places:
        return [_first(row, places) for row in rows[1:]]
    if all(len(row) == 1 for row in rows):
        return [row[0] for row in rows]
    raise Invalid("file", expected, reason)


def _rows(content: bytes, enough: int) -> list[list[str]]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Invalid("file", "UTF-8 is expected.") from None
    if "\x00" in text:
        raise Invalid("file", "NUL characters are not allowed.")
    delimiter = max(_DELIMITERS, key=text.partition("\n")[0].count)
    try:
        read = csv.reader(io.StringIO(text), delimiter=delimiter)
        return list(islice(filter(any, read), enough))
    except csv.Error as error:
        raise Invalid("file", f"Not CSV: {error}.") from None


def _first(row: list[str], places: list[int]) -> str:
    named = (row[place] for place in places if place < len(row) and row[place].strip())
    return next(named, "")
