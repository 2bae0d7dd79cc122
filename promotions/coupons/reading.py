"""Codes out of an uploaded CSV file: a column named `code`, or one column without a header."""

from promopulse.lib import uploads
from promotions.coupons import rules


def codes_of(content: bytes) -> list[str]:
    """The codes in the order of the file; empty lines say nothing. Raises Invalid.

    Reads no further than to see that there are too many.
    """
    return uploads.column_of(
        content,
        ("code",),
        most=rules.MAX_UPLOADED,
        expected="A column named code is expected.",
        reason="no_code_column",
    )
