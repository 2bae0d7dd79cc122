"""Numbers in sentences."""


def plural(number: int, word: str, words: str = "") -> str:
    """`1 user`, `2 users`, `1,000 users`."""
    return f"{number:,} {word if number == 1 else words or word + 's'}"
