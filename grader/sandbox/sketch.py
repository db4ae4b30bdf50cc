"""What a file is like, in a few bytes: what its functions compile to, without names, comments and layout, hashed.

It runs in the child, before the student's code does, for a file is compiled nowhere else. It is made of the compiled
code and not of the syntax tree, which would take a child three times as long; two files compiled by different versions
of Python are not alike. It knows nothing of what the functions should be, nor who compares sketches.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from hashlib import blake2b
from itertools import chain, islice
from opcode import EXTENDED_ARG, hasconst, hasfree, hasjabs, hasjrel, haslocal, hasname, opmap
from types import CodeType
from typing import TYPE_CHECKING
from zlib import crc32

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

BINS = 32
DIGEST_DIGITS, HASH_DIGITS = 16, 8  # in hexadecimal
SKETCH_BYTES = (DIGEST_DIGITS + BINS * HASH_DIGITS) // 2
SHINGLE = 5  # instructions in a row that are hashed together
LONGEST = 20_000  # instructions of a file that are looked at

_CONSTANT, _ATTRIBUTE, _NUMBER, _NOTHING, _SKIPPED = range(5)  # what an instruction's argument says of what is computed
_ATTRIBUTES = frozenset(opmap.get(name, -1) for name in ("LOAD_ATTR", "LOAD_METHOD", "STORE_ATTR", "IMPORT_NAME"))
_STORES = frozenset((opmap["STORE_NAME"], opmap["STORE_GLOBAL"]))
_LAYOUT = frozenset(opmap.get(name, -1) for name in ("CACHE", "RESUME", "NOP", "EXTENDED_ARG", "PRECALL"))
_LOAD_ATTR = opmap["LOAD_ATTR"]
_FLAGS = 1 if sys.version_info >= (3, 12) else 0  # bits below the name's number in LOAD_ATTR


def _says(op: int) -> int:
    if op in _LAYOUT:
        return _SKIPPED
    if op in hasconst:
        return _CONSTANT
    if op in _ATTRIBUTES:
        return _ATTRIBUTE
    return _NOTHING if op in {*hasname, *haslocal, *hasfree, *hasjrel, *hasjabs} else _NUMBER


_SAYS = [_says(op) for op in range(256)]


def of(module: CodeType, functions: Collection[str]) -> bytes:
    """The sketch of these functions and of what they use of the file; nothing where there are none of them."""
    with suppress(Exception):  # whatever a file compiles to, it is no reason not to load it
        tokens = list(islice(_tokens(_definitions(module), functions), LONGEST))
        return _digest(tokens) + b"".join(value.to_bytes(4, "big") for value in _least_hashes(tokens))
    return b""


def _digest(tokens: list[bytes]) -> bytes:
    return blake2b(b"\0".join(tokens), digest_size=DIGEST_DIGITS // 2).digest()


def _least_hashes(tokens: list[bytes]) -> list[int]:
    least = [0xFFFFFFFF] * BINS
    hashes = [crc32(token) for token in tokens]
    for a, b, c, d, e in zip(*(hashes[n:] for n in range(SHINGLE)), strict=False):
        value = ((((a * 31 + b) * 31 + c) * 31 + d) * 31 + e) * 0x9E3779B1 >> 16 & 0xFFFFFFFF
        least[value & 31] = min(least[value & 31], value)
    return least


def _instructions(code: CodeType) -> Iterator[tuple[int, int]]:
    extended = 0
    packed = code.co_code[: 2 * LONGEST]
    for op, argument in zip(packed[::2], packed[1::2], strict=True):
        argument |= extended  # noqa: PLW2901 what stands before belongs to it
        extended = argument << 8 if op == EXTENDED_ARG else 0
        yield op, argument


def _definitions(module: CodeType) -> dict[str, CodeType]:
    """What a file defines at its top, by name: functions, classes, functions without a name."""
    defined: dict[str, CodeType] = {}
    last: CodeType | None = None
    for op, argument in _instructions(module):
        if op in hasconst and isinstance(constant := module.co_consts[argument], CodeType):
            last = constant
        elif op in _STORES and last is not None:
            defined[module.co_names[argument]], last = last, None
    return defined


def _tokens(defined: dict[str, CodeType], functions: Collection[str]) -> Iterator[bytes]:
    """Instructions, attributes and constants: first of these functions, then of what they name."""
    reached = dict.fromkeys(name for name in functions if name in defined)
    waiting = list(reached)
    for name in waiting:
        yield from _of_code(defined[name])
        new = [used for used in _names(defined[name]) if used in defined and used not in reached]
        reached |= dict.fromkeys(new)
        waiting += dict.fromkeys(new)


def _of_code(code: CodeType) -> Iterator[bytes]:
    for op, argument in _instructions(code):
        says = _SAYS[op]
        if says == _NOTHING:
            yield b"%d" % op
        elif says == _NUMBER:
            yield b"%d %d" % (op, argument)
        elif says == _ATTRIBUTE:
            yield code.co_names[argument >> _FLAGS if op == _LOAD_ATTR else argument].encode("utf-8", "replace")
        elif says == _CONSTANT:
            constant = code.co_consts[argument]
            yield from _of_code(constant) if isinstance(constant, CodeType) else [repr(constant).encode()]


def _names(code: CodeType) -> Iterator[str]:
    inner = (_names(constant) for constant in code.co_consts if isinstance(constant, CodeType))
    return chain(code.co_names, chain.from_iterable(inner))
