"""Codes out of an uploaded CSV file: a column named `code`, or one column without a header."""

import csv
import io

from promopulse.lib.errors import Invalid

_DELIMITERS = ",;\t"


def codes_of(content: bytes) -> list[str]:
    """The codes in the order of the file; empty lines say nothing. Raises Invalid."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Invalid("file", "UTF-8 is expected.") from None
    if "\x00" in text:
        raise Invalid("file", "NUL characters are not allowed.")
    first = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=first.count)
    try:
        lines = [line for line in csv.reader(io.StringIO(text), delimiter=delimiter) if any(line)]
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
