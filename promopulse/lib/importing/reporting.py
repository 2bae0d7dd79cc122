"""What became of the rows: counts for the end, bad rows for `--report`, nothing of their data."""

from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Any

import msgspec

from promopulse.lib.commands import Exit, Outcome
from promopulse.lib.errors import DomainError
from promopulse.lib.importing.columns import Columns
from promopulse.lib.words import plural

FAILED = "failed"
# What one of them is called, where that is another word.
_ONE = {"duplicates": "duplicate", "conflicts": "conflict", "users created": "user created"}
_SHOWN = 5


class Report:
    """Counts rows by what became of them; tells where the bad ones are and why.

    A bad row is its line, a code and a sentence. Its values are not repeated: they may be personal.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        self.counts: Counter[str] = Counter(dict.fromkeys((*names, FAILED), 0))
        self._names = names
        self._samples: list[str] = []
        self._path = ""
        self._file: Any = None
        self._spelled: Callable[[str], str] = str

    def write_to(self, path: str) -> None:
        """Keep every bad row in this file, as NDJSON. Raises OSError."""
        self._file, self._path = open(path, "wb"), path  # noqa: SIM115

    def speak_of(self, columns: Columns) -> None:
        """Call fields what the file calls them."""
        self._spelled = columns.spelled

    def __enter__(self) -> "Report":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()

    def count(self, name: str, rows: int = 1) -> None:
        self.counts[name] += rows

    def bad(self, line: int, code: str, detail: str) -> None:
        """A row that was not imported."""
        self.counts[FAILED] += 1
        if self._file is not None:
            row = {"line": line, "code": code, "detail": detail}
            self._file.write(msgspec.json.encode(row) + b"\n")
        if self.counts[FAILED] <= _SHOWN:
            self._samples.append(f"line {line}: {detail} ({code})")
        elif self.counts[FAILED] == _SHOWN + 1:
            where = f"{self._path} lists" if self._path else "--report FILE lists"
            self._samples.append(f"More rows are bad; {where} all of them.")

    def refused(self, line: int, refusal: DomainError) -> None:
        """A row a rule said no to. The code of a wrong field is the field's."""
        code, detail = refusal.code, refusal.detail
        if refusal.errors:
            first = refusal.errors[0]
            field = self._spelled(first["pointer"].lstrip("/"))
            code, detail = first["code"], f"{field}: {first['detail']}" if field else detail
        self.bad(line, code, detail)

    def outcome(self, rows: int, trouble: str = "") -> Outcome:
        """The end of an import; `trouble` is what ended it too early."""
        data = {"rows": rows, **self.counts}
        told = [
            plural(count, _ONE.get(words, words), words)
            for name, count in self.counts.items()
            if count or name in (*self._names, FAILED)
            for words in [name.replace("_", " ")]
        ]
        line = f"{plural(rows, 'row')}: {', '.join(told)}"
        failed = self.counts[FAILED]
        if trouble:
            code = Exit.FAILED
        elif not failed:
            return Outcome(data, [line])
        elif failed == rows:
            trouble, code = "No row could be imported.", Exit.FAILED
        else:
            trouble, code = f"{failed:,} of {plural(rows, 'row')} not imported.", Exit.PARTLY
        return Outcome(data, [line], "\n".join([*self._samples, trouble]), code)
