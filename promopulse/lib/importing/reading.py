"""Rows out of a file or a pipe: JSON array, NDJSON or CSV, gzip or plain, told by the content.

Everything streams: memory does not grow with the file.
"""

import codecs
import csv
import gzip
import io
import json
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, NamedTuple

import msgspec

STDIN = "-"
_CHUNK = 1 << 16
_MAX_ELEMENT = 1 << 24
_GZIP_MAGIC = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"
_DELIMITERS = ",;\t"


class Row(NamedTuple):
    """One row as it stands in the file. `line` is where it begins."""

    line: int
    values: dict[str, Any]


class BadRow(NamedTuple):
    """A row that cannot be read; the others can."""

    line: int
    code: str
    detail: str


class Source:
    """An open file of rows. Iterating gives `Row`s and `BadRow`s in file order."""

    def __init__(self, path: str) -> None:
        """Raises OSError when the file cannot be opened."""
        self.name = "stdin" if path == STDIN else Path(path).name
        raw: Any = sys.stdin.buffer if path == STDIN else open(path, "rb")  # noqa: SIM115
        self._raw: BinaryIO = raw
        is_file = path != STDIN and raw.seekable()
        self.size = Path(path).stat().st_size if is_file else None
        zipped = raw.peek(2)[:2] == _GZIP_MAGIC
        self._stream = io.BufferedReader(gzip.GzipFile(fileobj=raw), _CHUNK) if zipped else raw
        self._csv = self.name.lower().removesuffix(".gz").endswith((".csv", ".tsv"))

    def __enter__(self) -> "Source":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._raw is not sys.stdin.buffer:
            self._raw.close()

    @property
    def position(self) -> int:
        """Bytes of the file read so far, for a progress bar with `size` as its end."""
        return self._raw.tell() if self.size is not None else 0

    def __iter__(self) -> Iterator[Row | BadRow]:
        line = 0
        try:
            for row in self._rows():
                line = row.line
                yield row
        except (EOFError, zlib.error, gzip.BadGzipFile):
            yield BadRow(line, "truncated", "The compressed data ends or breaks after this line.")

    def _rows(self) -> Iterator[Row | BadRow]:
        stream = self._stream
        if stream.peek(3)[:3] == _BOM:
            stream.read(3)
        first = stream.peek(1).lstrip()[:1]
        if self._csv or first not in (b"[", b"{"):
            return _csv_rows(stream)
        return _array_rows(stream) if first == b"[" else _ndjson_rows(stream)


def _ndjson_rows(stream: BinaryIO) -> Iterator[Row | BadRow]:
    for line, text in enumerate(stream, start=1):
        if not text.isspace():
            yield _decoded(line, text)


_decode = msgspec.json.Decoder().decode


def _decoded(line: int, text: bytes) -> Row | BadRow:
    """One JSON object. The words of a refusal never hold the data."""
    try:
        value = _decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return BadRow(line, "malformed", str(error))
    except RecursionError:
        return BadRow(line, "malformed", "JSON is nested too deeply")
    if type(value) is not dict:
        return BadRow(line, "malformed", "A JSON object is expected.")
    if b"\\u0000" in text:
        return BadRow(line, "malformed", "NUL characters are not allowed")
    return Row(line, value)


def _array_rows(stream: BinaryIO) -> Iterator[Row | BadRow]:
    """The elements of one JSON array, each found in a window that moves over the text."""
    window = _Window(stream)
    window.skip("[")
    while not window.at("]"):
        line = window.line
        element = window.element()
        if element is None:
            yield BadRow(line, "malformed", "The array is broken here; the rest is not read.")
            return
        yield _decoded(line, element.encode("utf-8", "surrogatepass"))
        if not window.at("]"):
            window.skip(",")


class _Window:
    """Text of a stream from the present place on, read as far as needed."""

    _scan = staticmethod(json.JSONDecoder().raw_decode)

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="surrogateescape")
        self._text = ""
        self._place = 0
        self._ended = False
        self.line = 1

    def at(self, char: str) -> bool:
        """Whether the next character that is no space is this one; at the end none is."""
        while True:
            start = self._place
            while self._place < len(self._text) and self._text[self._place] in " \t\r\n":
                self._place += 1
            self.line += self._text.count("\n", start, self._place)
            if self._place < len(self._text):
                return self._text[self._place] == char
            if not self._read():
                return False

    def skip(self, char: str) -> None:
        """Step over the character, if it is the next one."""
        if self.at(char):
            self._place += 1
            self.at(char)

    def element(self) -> str | None:
        """The text of the next value, None when there is none to be read."""
        while True:
            try:
                _, end = self._scan(self._text, self._place)
            except (json.JSONDecodeError, RecursionError):
                end = 0
            # A value that touches the end of the window may go on behind it.
            if 0 < end < len(self._text):
                break
            if len(self._text) - self._place > _MAX_ELEMENT:
                return None
            if not self._read():
                if not end:
                    return None
                break
        text = self._text[self._place : end]
        self.line += text.count("\n")
        self._place = end
        return text

    def _read(self) -> bool:
        if self._ended:
            return False
        # As much again as did not suffice: an element is scanned a few times, not once a chunk.
        wanted = max(_CHUNK, len(self._text) - self._place)
        chunk = self._stream.read(wanted)
        self._ended = not chunk
        self._text = self._text[self._place :] + self._decoder.decode(chunk, final=not chunk)
        self._place = 0
        return not self._ended


def _csv_rows(stream: BinaryIO) -> Iterator[Row | BadRow]:
    # Broken bytes become lone surrogates, found row by row, so that one of them sinks one row.
    text = io.TextIOWrapper(stream, "utf-8", errors="surrogateescape", newline="")
    first_line = text.readline()
    delimiter = max(_DELIMITERS, key=first_line.count)
    header = next(csv.reader([first_line], delimiter=delimiter), [])
    names = [name.strip() for name in header]
    lines = csv.reader(text, delimiter=delimiter)
    while True:
        line = lines.line_num + 2  # after the header, counted from 1
        try:
            values = next(lines)
        except StopIteration:
            break
        except csv.Error as error:
            yield BadRow(line, "malformed", str(error))
            continue
        if values:
            yield _csv_row(line, names, values)
    text.detach()


def _csv_row(line: int, names: list[str], values: list[str]) -> Row | BadRow:
    if len(values) != len(names):
        return BadRow(line, "malformed", f"{len(names)} columns are expected, not {len(values)}.")
    whole = "".join(values)
    if not whole.isascii():
        try:
            whole.encode()
        except UnicodeEncodeError:
            return BadRow(line, "malformed", "This is not UTF-8.")
    if "\x00" in whole:
        return BadRow(line, "malformed", "NUL characters are not allowed")
    # CSV has no null: an empty cell says nothing.
    return Row(
        line, {name: value for name, value in zip(names, values, strict=True) if value != ""}
    )
