"""Frames: what is written is read back, and nothing else is read."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.sandbox.wire import (
    ANSWERS,
    HEADER,
    MAGIC,
    Frame,
    FrameReader,
    Kind,
    ProtocolViolation,
    encode,
    read_frame,
    write_all,
)

NONCE = 0x1234_5678_9ABC_DEF0
FROM_CHILD = sorted({*ANSWERS, Kind.READY, Kind.LOADED})
PRINTED = range(17, 25)  # where a header says how much was printed
frames = st.lists(st.tuples(st.sampled_from(FROM_CHILD), st.binary(max_size=200)), max_size=5)


def stream_of(contents):
    return b"".join(encode(kind, n, NONCE, payload, 7 * n) for n, (kind, payload) in enumerate(contents))


@given(frames, st.integers(1, 64))
def test_frames_are_read_back_however_the_stream_is_cut(contents, chunk):
    stream, reader = stream_of(contents), FrameReader(NONCE)
    read = [frame for at in range(0, len(stream), chunk) for frame in reader.feed(stream[at : at + chunk])]
    assert read == [Frame(kind, payload, 7 * n) for n, (kind, payload) in enumerate(contents)]


@given(frames.filter(bool), st.data())
def test_a_changed_header_never_passes_for_another_frame(contents, data):
    stream = bytearray(stream_of(contents))
    at = data.draw(st.integers(0, HEADER.size - 1))
    stream[at] ^= data.draw(st.integers(1, 255))
    try:
        read = list(FrameReader(NONCE).feed(bytes(stream)))
    except ProtocolViolation:
        return
    # the kind may become another kind of answer, the length shorter or longer, and what was printed more or less:
    # all of them are the child's to say
    assert [frame.payload for frame in read] != [payload for _, payload in contents] or at in (len(MAGIC), *PRINTED)


@pytest.mark.parametrize(
    ("named", "frame"),
    [
        ("a wrong magic", b"GRD2" + encode(Kind.READY, 0, NONCE)[4:]),
        ("a wrong nonce", encode(Kind.READY, 0, NONCE + 1)),
        ("a wrong sequence", encode(Kind.READY, 1, NONCE)),
        ("a kind only the parent sends", encode(Kind.SOURCE, 0, NONCE)),
        ("an unknown kind", HEADER.pack(MAGIC, 99, 0, NONCE, 0, 0)),
        ("a giant length", HEADER.pack(MAGIC, Kind.VALUE, 0, NONCE, 0, 2**32 - 1)),
    ],
)
def test_a_wrong_frame_is_refused_before_its_payload_is_waited_for(named, frame):
    with pytest.raises(ProtocolViolation):
        list(FrameReader(NONCE).feed(frame[: HEADER.size]))


def test_a_doubled_frame_is_refused():
    frame = encode(Kind.VALUE, 0, NONCE, b"1")
    reader = FrameReader(NONCE)
    assert list(reader.feed(frame)) == [Frame(Kind.VALUE, b"1")]
    with pytest.raises(ProtocolViolation):
        list(reader.feed(frame))


def test_garbage_is_refused():
    with pytest.raises(ProtocolViolation):
        list(FrameReader(NONCE).feed(b"\x00" * 64))


def test_what_the_grader_writes_the_child_reads():
    read_end, write_end = os.pipe()
    try:
        write_all(write_end, encode(Kind.SOURCE, 0, NONCE, b"print()"))
        os.close(write_end)
        assert read_frame(read_end) == (Kind.SOURCE, NONCE, b"print()")
        with pytest.raises(EOFError):
            read_frame(read_end)
    finally:
        os.close(read_end)


def test_what_is_behind_the_last_frame_is_known():
    reader = FrameReader(NONCE)
    frame = encode(Kind.READY, 0, NONCE)
    assert [one.kind for one in reader.feed(frame)] == [Kind.READY]
    assert not reader.has_more
    assert list(reader.feed(frame[:5])) == []
    assert reader.has_more
