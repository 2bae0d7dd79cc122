"""From the ids of a file to ours."""

from collections.abc import Callable, Iterable
from typing import Any

from promopulse.lib.errors import Invalid
from promopulse.lib.importing.columns import as_id, as_source_id

# Known ids are kept, up to this many: a file of any length needs the same memory.
_KEPT = 200_000

Fetch = Callable[[list[str]], Iterable[tuple[str, int]]]


class Ids:
    """Turns the ids of one column into ours: as they are, or through `source_id`.

    `fetch` gives the (source_id, id) pairs of those that exist; `make` makes the missing ones.
    """

    def __init__(
        self, field: str, source: str | None, *, fetch: Fetch, make: Fetch | None = None
    ) -> None:
        self.field = field
        self.made = 0
        self._source = source
        self._fetch = fetch
        self._make = make
        self._known: dict[str, int] = {}
        self._texts: dict[Any, str] = {}

    def prepare(self, values: Iterable[Any]) -> None:
        """Look up, in one query, what the next rows name; make what is missing, if we may."""
        if self._source is None:
            return
        if len(self._known) > _KEPT:
            self._known.clear()
            self._texts.clear()
        wanted = {self._text(value) for value in set(filter(_is_key, values))}
        missing = sorted(text for text in wanted if text and text not in self._known)
        if missing:
            self._known.update(self._fetch(missing))
        if self._make is not None:
            missing = [text for text in missing if text not in self._known]
            if missing:
                made = dict(self._make(missing))
                self.made += len(made)
                self._known.update(made)

    def of(self, value: Any) -> int:
        """Our id of a value that was prepared. Raises Invalid."""
        if self._source is None:
            return as_id(self.field, value)
        text = self._texts.get(value) if _is_key(value) else None
        if text is None:
            text = as_source_id(self.field, self._source, value)
        found = self._known.get(text)
        if found is None:
            raise Invalid(self.field, "Nothing with this id was imported.", "not_found")
        return found

    def _text(self, value: Any) -> str:
        text = self._texts.get(value)
        if text is None:
            try:
                text = as_source_id(self.field, self._source or "", value)
            except Invalid:
                text = ""  # `of` says it, for its row
            else:
                self._texts[value] = text
        return text


def _is_key(value: Any) -> bool:
    """Hashable, and not a flag, which Python holds for the number 1."""
    return type(value) in (int, str)
