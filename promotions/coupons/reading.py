"""Codes out of an uploaded CSV file: a column named `code`, or one column without a header."""

import csv
import io
from itertools import islice

from promopulse.lib.errors import Invalid
from promotions.coupons import rules

_DELIMITERS = ",;\t"
# With a header one more than may be brought: so many are refused, and the rest takes no memory.
_ENOUGH = rules.MAX_UPLOADED + 2


def codes_of(content: bytes) -> list[str]:
    """The codes in the order of the file; empty lines say nothing. Raises Invalid.

    Reads no further than to see that there are too many.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Invalid("file", "UTF-8 is expected.") from None
    if "\x00" in text:
        raise Invalid("file", "NUL characters are not allowed.")
    first = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=first.count)
    try:
        read = csv.reader(io.StringIO(text), delimiter=delimiter)
        lines = list(islice(filter(any, read), _ENOUGH))
    except csv.Error as error:
        raise Invalid("file", f"Not CSV: {error}.") from None
    if not lines:
        return []
    header = [name.strip().lower() for name in lines[0]]
    if "code" in header:
        place = header.index("code")
        return [line[place] if place < len(line) else "" for line in lines[1:]]
    if all(len(line) == 1 for line in lines):
        return [line[0] for line in lines]
    raise Invalid("file", "A column named code is expected.", "no_code_column")
