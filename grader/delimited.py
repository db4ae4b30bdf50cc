"""Delimited text whose bytes are kept: read a record at a time, and written with one cell changed and nothing else.

A spreadsheet program, or Python's csv, would write such a file anew: with other quotes, line ends, or numbers for
ids. Here every cell is kept as it was written. It knows nothing of what the cells mean.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from contextlib import suppress
from typing import IO, TYPE_CHECKING, NamedTuple

from grader.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
DELIMITERS = "\t,;"
LONGEST_RECORD = 2**16  # characters: a quote that is never closed would make one of all the rest


class Form(NamedTuple):
    """How a file is written. Bytes that are of no encoding of one byte a character come back as they were."""

    mark: bytes
    encoding: str
    delimiter: str

    def encoded(self, text: str) -> bytes:
        return text.encode(self.encoding, "surrogateescape")


class Record(NamedTuple):
    """One record: its cells as they are written, and what ends it."""

    raw: tuple[str, ...]
    end: str

    @property
    def cells(self) -> list[str]:
        """What the cells say."""
        return [cell[1:-1].replace('""', '"') if _is_quoted(cell) else cell for cell in self.raw]

    def with_cell(self, n: int, text: str, delimiter: str) -> Record:
        """The same with another text in one cell, quoted where it was, or has to be."""
        quoted = _is_quoted(self.raw[n]) or re.search(f'[{delimiter}"\r\n]', text)
        written = '"' + text.replace('"', '""') + '"' if quoted else text
        return self._replace(raw=(*self.raw[:n], written, *self.raw[n + 1 :]))

    def text(self, delimiter: str) -> str:
        return delimiter.join(self.raw) + self.end


def form_of(file: IO[bytes], name: str) -> Form:
    """How this file is written; it is read from its start. Raises UsageError where it has no first line."""
    file.seek(0)
    start = file.read(2**16)
    mark, encoding = next(((mark, encoding) for mark, encoding in MARKS if start.startswith(mark)), (b"", ""))
    encoding = encoding or _encoding(file)
    first = start.removeprefix(mark).decode(encoding, "replace")
    header = re.sub(r'"(?:[^"]|"")*"', "", first).splitlines()[:1]
    if not header or not first.strip():
        raise UsageError(f"{name}: it is empty; expected a gradebook with a line of headers; download it again")
    return Form(mark, encoding, max(DELIMITERS, key=header[0].count))


def _encoding(file: IO[bytes]) -> str:
    """UTF-8, or else what spreadsheet programs of Western Europe save."""
    file.seek(0)
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        while chunk := file.read(2**16):
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def records(file: IO[bytes], form: Form, name: str) -> Iterator[Record]:
    """Every record of the file. Raises UsageError for what is no such table: a quote that is never closed, say."""
    file.seek(len(form.mark))
    lines = io.TextIOWrapper(file, form.encoding, "surrogateescape", newline="")
    pending, begun = "", 0
    try:
        for number, line in enumerate(lines, 1):
            stays_open = pending and '"' not in line  # what is open, only a quote closes: looking again takes long
            pending, begun = pending + line, begun if pending else number
            if not stays_open and (record := _record(pending, form.delimiter)) is not None:
                yield record
                pending = ""
            elif len(pending) > LONGEST_RECORD:
                break
        if pending:
            raise _Malformed("a quote is opened and never closed")
    except (_Malformed, UnicodeDecodeError) as error:
        why = str(error) if isinstance(error, _Malformed) else f"it is not all {form.encoding}"
        raise UsageError(
            f"{name}:{begun}: {why}; expected a table as it was downloaded; download the file again"
        ) from None
    finally:
        with suppress(ValueError):  # who stopped reading has closed the file
            lines.detach()


class _Malformed(Exception):
    """What makes a record none; the message says so."""


def _record(text: str, delimiter: str) -> Record | None:
    """The record that this is; None where a quote is still open. Raises _Malformed."""
    body = re.sub(r"(?:\r\n|\r|\n)\Z", "", text)  # one line end: others may be in a quoted cell
    end = text[len(body) :]
    if '"' not in body:
        return Record(tuple(body.split(delimiter)), end)
    if body.count('"') % 2 == 0:  # else a quote is open, and looking for its end from everywhere takes long
        whole = _ALL[delimiter].findall(body)[: None if body.endswith(delimiter) else -1]
        if delimiter.join(whole) == body:
            return Record(tuple(whole), end)
    cells, at = [], 0
    while True:
        # a quoted cell ends at the first quote that has none behind it; a quote within a plain text is a part of it
        cell = (_QUOTED if body.startswith('"', at) else _PLAIN[delimiter]).match(body, at)
        if cell is None:
            return None  # it goes on in the next line
        cells.append(cell[0])
        if cell.end() == len(body):
            return Record(tuple(cells), end)
        if body[cell.end()] != delimiter:
            raise _Malformed("there is text behind a quoted cell")
        at = cell.end() + 1


_QUOTED = re.compile(r'"(?:[^"]|"")*+"')  # possessive: a doubled quote is never taken for an end
_ALL = {one: re.compile(f'("(?:[^"]|"")*+"|(?!")[^{one}]*)(?:{one}|\\Z)') for one in DELIMITERS}
_PLAIN = {delimiter: re.compile(f"[^{delimiter}]*") for delimiter in DELIMITERS}


def line(cells: Iterable[object], *, quoted: bool = False, end: str = "\n") -> str:
    """A line of a new file, between commas; every cell stands as it is, for whoever reads it looks it up."""
    buffer = io.StringIO()
    csv.writer(buffer, quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL, lineterminator=end).writerow(cells)
    return buffer.getvalue()


def _is_quoted(cell: str) -> bool:
    return len(cell) > 1 and cell.startswith('"') and cell.endswith('"')
