"""Values inside a frame: numbers, texts, arrays. No pickle, no .npy, no length that is not checked first.

    text    length u32, UTF-8
    array   code u8 (0 float64, 1 complex128), dimensions u8, each u64, raw little-endian entries

Arrays are packed and unpacked as (code, shape, raw bytes), so that this needs no numpy: engine and
harness turn them into arrays, each on its own side of the walls.
"""

from __future__ import annotations

import math
import struct

DTYPES = ("<f8", "<c16")
MOST_DIMENSIONS = 64  # numpy's own limit
LARGEST_ANSWER_BYTES = 64 * 2**10  # no homework asks for a larger array; beyond it the shape says enough
LONGEST_TEXT = 8 * 2**10  # of a message, a traceback, a list of names
RAISED_OTHER, RAISED_MEMORY, RAISED_EXIT = range(3)  # families of exceptions
WRITES_NOTHING, WRITES_INPUTS, WRITES_INPUTS_AND_ANSWERS = range(3)  # and is the answer behind
_ITEM_BYTES = (8, 16)
_U32 = struct.Struct("<I")
_SHAPES = tuple(struct.Struct(f"<{count}Q") for count in range(4))  # of nearly all arrays


class Malformed(Exception):
    """A payload that does not say what it should, where it should."""


def u32(value: int) -> bytes:
    return _U32.pack(value)


def text(value: str) -> bytes:
    data = value.encode("utf-8", "replace")
    return u32(len(data)) + data


def array(code: int, shape: tuple[int, ...], raw: bytes) -> bytes:
    return bytes([code]) + dimensions(shape) + raw


def dimensions(shape: tuple[int, ...]) -> bytes:
    return struct.pack(f"<B{len(shape)}Q", len(shape), *shape)


class Cursor:
    """Reads a payload from its start; every read is checked against what is left."""

    def __init__(self, payload: bytes) -> None:
        self._payload = payload
        self._at = 0

    def take(self, length: int) -> bytes:
        end = self._at + length
        if end > len(self._payload):
            raise Malformed(f"{length} bytes asked for, {len(self._payload) - self._at} left")
        taken, self._at = self._payload[self._at : end], end
        return taken

    def u8(self) -> int:
        if self._at >= len(self._payload):
            raise Malformed("1 byte asked for, 0 left")
        self._at += 1
        return self._payload[self._at - 1]

    def u32(self) -> int:
        return int(_U32.unpack(self.take(4))[0])

    def text(self) -> str:
        return self.take(self.u32()).decode("utf-8", "replace")

    def dimensions(self) -> tuple[int, ...]:
        count = self.u8()
        if count > MOST_DIMENSIONS:
            raise Malformed(f"{count} dimensions")
        packed = self.take(8 * count)
        return _SHAPES[count].unpack(packed) if count < len(_SHAPES) else struct.unpack(f"<{count}Q", packed)

    def array(self) -> tuple[int, tuple[int, ...], bytes]:
        """Code, shape and raw entries; the shape is checked against the length before memory is taken."""
        code = self.u8()
        if code >= len(DTYPES):
            raise Malformed(f"array code {code}")
        shape = self.dimensions()
        count = math.prod(shape)
        if count > 2**32 or (count == 0 and math.prod(dimension or 1 for dimension in shape) > 2**32):
            raise Malformed(f"an array of shape {shape}")  # 0 x 4,000,000,000 x ...: no bytes, and no array either
        return code, shape, self.take(count * _ITEM_BYTES[code])

    def rest(self) -> bytes:
        return self.take(len(self._payload) - self._at)

    def end(self) -> None:
        if self._at != len(self._payload):
            raise Malformed(f"{len(self._payload) - self._at} bytes too many")
