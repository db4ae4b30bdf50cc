"""Frames: how bytes cross the walls, and what is refused on the way back.

    magic "GRD1" | kind u8 | sequence u32 | nonce u64 | printed u64 | length u32 | payload of that length

All little-endian. The nonce is drawn for each conversation; the sequence counts the frames of one
direction from 0; `printed` is the number of bytes the child says it has printed so far. The parent
sends LIMITS, SOURCE, REQUEST..., END; the child sends READY once it has read them all, LOADED (or RAISED)
once the source is loaded, then one frame a call, and waits for no reply. Then the parent may send REQUEST...,
END again, and closes its end when that is all.
Nothing here knows what a payload means.
"""

from __future__ import annotations

import os
import struct
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

HEADER = struct.Struct("<4sBIQQI")
LIMITS = struct.Struct("<Qd")  # memory in bytes, CPU seconds
MAGIC = b"GRD1"
LONGEST_ANSWER = 128 * 2**10  # bytes; an honest harness sends at most half of it


class Kind(IntEnum):
    """What a frame is: the first four go to the child, the rest come from it."""

    LIMITS = 1
    SOURCE = 2
    REQUEST = 3
    END = 4
    READY = 16
    LOADED = 17
    VALUE = 18
    BAD_TYPE = 19
    TOO_LARGE = 20
    RAISED = 21
    ABSENT = 22


ANSWERS = frozenset({Kind.VALUE, Kind.BAD_TYPE, Kind.TOO_LARGE, Kind.RAISED, Kind.ABSENT})
_FROM_THE_CHILD = {int(kind): kind for kind in (Kind.READY, Kind.LOADED, *ANSWERS)}


class ProtocolViolation(Exception):
    """The child's bytes are not what the harness would have sent."""


class Frame(NamedTuple):
    kind: Kind
    payload: bytes
    printed: int = 0


def encode(kind: Kind, sequence: int, nonce: int, payload: bytes = b"", printed: int = 0) -> bytes:
    """One frame, ready to be written."""
    return HEADER.pack(MAGIC, kind, sequence, nonce, printed, len(payload)) + payload


class FrameReader:
    """Cuts the child's stream into frames. Memory is bounded by one frame and one chunk."""

    def __init__(self, nonce: int, longest: int = LONGEST_ANSWER) -> None:
        self._nonce = nonce
        self._longest = longest
        self._buffer, self._start = bytearray(), 0  # of what has not been read
        self._sequence = 0

    @property
    def has_more(self) -> bool:
        """Whether there is something behind the last frame."""
        return len(self._buffer) > self._start

    def feed(self, chunk: bytes) -> Iterator[Frame]:
        """The frames this chunk completes. Raises ProtocolViolation at the first one that is wrong."""
        del self._buffer[: self._start]  # once a chunk: it moves all that is behind
        self._start = 0
        self._buffer += chunk
        while len(self._buffer) - self._start >= HEADER.size:
            kind, printed, length = self._header()
            start = self._start + HEADER.size
            if len(self._buffer) < start + length:
                return
            self._start = start + length
            self._sequence += 1
            yield Frame(kind, bytes(self._buffer[start : self._start]), printed)

    def _header(self) -> tuple[Kind, int, int]:
        magic, kind, sequence, nonce, printed, length = HEADER.unpack_from(self._buffer, self._start)
        if (magic, sequence, nonce) != (MAGIC, self._sequence, self._nonce):
            raise ProtocolViolation("a frame with a wrong magic, sequence or nonce")
        if kind not in _FROM_THE_CHILD:
            raise ProtocolViolation(f"a frame of kind {kind}")
        if length > self._longest:
            raise ProtocolViolation(f"a frame of {length} bytes")
        return _FROM_THE_CHILD[kind], printed, length


def read_frame(descriptor: int) -> tuple[Kind, int, bytes]:
    """Kind, nonce and payload of the next frame from the grader; blocks. Raises EOFError at its end."""
    _, kind, _, nonce, _, length = HEADER.unpack(_read_exactly(descriptor, HEADER.size))
    return Kind(kind), nonce, _read_exactly(descriptor, length)


def _read_exactly(descriptor: int, length: int) -> bytes:
    read = bytearray()
    while len(read) < length:
        chunk = os.read(descriptor, length - len(read))
        if not chunk:
            raise EOFError
        read += chunk
    return bytes(read)


def write_all(descriptor: int, data: bytes) -> None:
    """Write everything; blocks."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
