"""The maths of codes: how they are written, compared and made, and how many there can be.

Pure: no queries. Random bytes come from the operating system.
"""

import re
import secrets
from dataclasses import dataclass

# Without 0 1 I L O, which people mistake for each other.
DEFAULT_CHARSET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
DEFAULT_LENGTH = 8
MIN_RANDOM, MAX_RANDOM = 4, 50
MIN_LENGTH, MAX_LENGTH = 3, 64
PLACE = "{}"
# Of all codes that a pattern can make at most one in so many is made: a guess seldom hits.
SPARSITY = 100

# Paths of the API: a code must not stand where they do.
RESERVED = frozenset({"ASSIGN", "LOCK", "UNLOCK", "REDEEM", "REDEMPTIONS", "HISTORY"})

_KEY = re.compile(r"[A-Z0-9._]+")
_DROPPED = str.maketrans("", "", "- ")


def normalise(text: str) -> str:
    """The form in which codes are compared: trimmed, upper-cased, no dashes and no spaces.

    Empty for a text that cannot be a code.
    """
    if not text.isascii():
        return ""
    key = text.strip().upper().translate(_DROPPED)
    fits = MIN_LENGTH <= len(key) <= MAX_LENGTH and _KEY.fullmatch(key)
    return key if fits and key not in RESERVED else ""


def is_writable(text: str) -> bool:
    """Whether a text can be kept as a code, as it is shown."""
    is_shown = len(text) <= MAX_LENGTH and text.isprintable() and text[:1].isalnum()
    return is_shown and bool(normalise(text))


def masked(code: str) -> str:
    """A code for those who may know that it exists, not what it is."""
    return f"{code[:2]}***{code[-2:]}" if len(code) >= 8 else "***"


@dataclass(frozen=True)
class Shape:
    """What generated codes look like: `length` random characters stand where `pattern` has `{}`."""

    pattern: str
    length: int
    charset: str

    @property
    def possible(self) -> int:
        """How many different codes there are."""
        return int(len(self.charset) ** self.length)

    @property
    def most(self) -> int:
        """How many of them may be made at all."""
        return self.possible // SPARSITY

    @property
    def key(self) -> str:
        """The same for all shapes that make the same codes."""
        before, _, after = self.pattern.partition(PLACE)
        fixed = (before.upper().translate(_DROPPED), after.upper().translate(_DROPPED))
        return f"{fixed[0]}{PLACE}{fixed[1]}|{self.length}|{self.charset}"

    def make(self, count: int) -> list[str]:
        """So many different codes, drawn by the operating system's randomness."""
        before, _, after = self.pattern.partition(PLACE)
        found: dict[str, None] = {}
        while len(found) < count:
            drawn = _random_text(self.charset, (count - len(found)) * self.length)
            found.update(
                dict.fromkeys(
                    drawn[start : start + self.length]
                    for start in range(0, len(drawn) - self.length + 1, self.length)
                )
            )
        return [f"{before}{part}{after}" for part in list(found)[:count]]


def _random_text(charset: str, length: int) -> str:
    """At least so many random characters: each byte becomes one, bytes that would favour some
    characters are dropped."""
    size = len(charset)
    fair = 256 - 256 % size
    table = bytes(ord(charset[byte % size]) for byte in range(256))
    dropped = bytes(range(fair, 256))
    text = b""
    while len(text) < length:
        missing = length - len(text)
        drawn = secrets.token_bytes(missing * 256 // fair + 64)
        text += drawn.translate(table, dropped)
    return text[:length].decode()


def clean_charset(text: str) -> str:
    """The characters once each, upper-cased, in order; empty where some cannot be in a code."""
    letters = "".join(sorted(set(text.upper())))
    return letters if letters.isascii() and letters.isalnum() else ""
