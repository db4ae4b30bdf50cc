"""Delimited text: every byte of it comes back, whatever is written how, and a changed cell changes nothing else."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from grader import delimited
from grader.errors import UsageError

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=12)
CELLS = st.one_of(
    TEXTS, st.sampled_from(['say "a"', "a,b;c\td", "line\none", "=1+1", "00012", "", " x ", "\u200fעברית"])
)
TABLES = st.lists(st.lists(CELLS, min_size=2, max_size=6), min_size=1, max_size=6)


def written(table, delimiter, quoting, end):
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=delimiter, quoting=quoting, lineterminator=end).writerows([["Head", "er"], *table])
    return buffer.getvalue()


def read(data):
    file = io.BytesIO(data)
    form = delimited.form_of(file, "file")
    return form, list(delimited.records(file, form, "file"))


def whole(form, records):
    return form.mark + b"".join(form.encoded(record.text(form.delimiter)) for record in records)


@given(
    TABLES,
    st.sampled_from(",;\t"),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([*delimited.MARKS, (b"", "utf-8")]),
)
def test_what_csv_writes_is_read_and_written_back(table, delimiter, quoting, end, encoding):
    text = written(table, delimiter, quoting, end)
    mark, name = encoding
    form, records = read(mark + text.encode(name))
    assert (form.delimiter, form.encoding) == (delimiter, name)
    assert [record.cells for record in records[1:]] == table
    assert whole(form, records) == mark + text.encode(name)


@given(st.binary(max_size=300))
@example(b'a,b\n"open,1\n')
@example(b'a,b\nx"y,"z" w\n')
@example(b"a;b\r\xff\xfe\n")
def test_any_bytes_are_written_back_or_refused(data):
    try:
        form, records = read(data)
    except UsageError:
        return
    if form.encoding.startswith("utf-16"):
        return  # half a character at the end is nobody's
    assert whole(form, records) == data


@given(TABLES, CELLS, st.data())
def test_a_changed_cell_changes_nothing_else(table, text, data):
    form, records = read(written(table, ";", csv.QUOTE_MINIMAL, "\r\n").encode())
    row = data.draw(st.integers(1, len(table)))
    cell = data.draw(st.integers(0, len(table[row - 1]) - 1))
    changed = [*records]
    changed[row] = records[row].with_cell(cell, text, ";")
    expected = [list(line) for line in table]
    expected[row - 1][cell] = text
    again = read(whole(form, changed))[1]
    assert [record.cells for record in again[1:]] == expected
    assert [r.raw for n, r in enumerate(again) if n != row] == [r.raw for n, r in enumerate(records) if n != row]


def test_western_europe_s_own_encoding_is_read():
    form, records = read("Name;Größe\nZoë;1\n".encode("cp1252"))
    assert form.encoding == "cp1252"
    assert records[1].cells == ["Zoë", "1"]


@pytest.mark.parametrize(
    "cell", ['not ""5""\nsee page 3', '""', 'a ""b', '""a', 'x,"",y', 'He said ""ok""\nfine', '\n""\n""']
)
def test_a_doubled_quote_at_the_end_of_a_line_closes_nothing(cell):
    data = f'head,er,s\n"a","{cell}","9.9"\nnext,1,2\n'.encode()
    form, records = read(data)
    assert [record.cells for record in records[1:]] == [["a", cell.replace('""', '"'), "9.9"], ["next", "1", "2"]]
    rows = csv.reader(io.StringIO(data.decode(), newline=""))
    assert [list(row) for row in rows][1:] == [record.cells for record in records[1:]]
    assert whole(form, records) == data


def test_a_quote_that_is_never_closed_is_told_at_once():
    with pytest.raises(UsageError, match="file:2: a quote is opened and never closed"):
        read(b'head,er\n"oops,1\n' + b"x,1\n" * 100_000)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "it is empty"),
        (b"\xef\xbb\xbf\n", "it is empty"),
        (b'a,b\n"x\n', "never closed"),
        (b'a,b\n"x" ,1\n', "text behind a quoted cell"),
        (b"\xff\xfea\0,\0b\0\n\0x", "not all utf-16"),
    ],
)
def test_what_is_no_table_is_told(data, why):
    with pytest.raises(UsageError, match=why):
        read(data)
