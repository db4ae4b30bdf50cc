"""What a file is like, in a few bytes: its functions' syntax without names, comments and layout, hashed.

It runs in the child, before the student's code does, for a file is parsed nowhere else. It knows nothing of what the
functions should be, nor who compares sketches.
"""

from __future__ import annotations

import ast
from contextlib import suppress
from functools import cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Any
from zlib import crc32

if TYPE_CHECKING:
    from collections.abc import Collection

BINS = 32
DIGEST_DIGITS, HASH_DIGITS = 16, 8  # in hexadecimal
SKETCH_BYTES = (DIGEST_DIGITS + BINS * HASH_DIGITS) // 2
SHINGLE = 5  # tokens in a row that are hashed together
_NODE: Any = ast.AST
_NAMES = ("name", "id", "arg", "names", "rest", "ctx", "kind")  # and what else says nothing of what is computed
_NOTES = ("annotation", "returns", "type_comment", "type_ignores", "type_params", "decorator_list")


def of(source: bytes, functions: Collection[str]) -> bytes:
    """The sketch of these functions and of what they use of the file; nothing where it cannot be parsed."""
    with suppress(Exception):  # loading will say what is wrong with it
        tree = compile(source, "", "exec", ast.PyCF_ONLY_AST, dont_inherit=True)
        tokens = _tokens(_definitions(tree), functions)
        return _digest(tokens) + b"".join(value.to_bytes(4, "big") for value in _least_hashes(tokens))
    return b""


def _digest(tokens: list[bytes]) -> bytes:
    return blake2b(b"\0".join(tokens), digest_size=DIGEST_DIGITS // 2).digest()


def _least_hashes(tokens: list[bytes]) -> list[int]:
    least = [0xFFFFFFFF] * BINS
    for window in zip(*(tokens[n:] for n in range(SHINGLE)), strict=False):
        value = crc32(b"\0".join(window))
        least[value % BINS] = min(least[value % BINS], value)
    return least


def _definitions(tree: Any) -> dict[str, Any]:
    """What a file defines at its top, by name."""
    defined: dict[str, Any] = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            defined[node.name] = node
        elif isinstance(node, ast.Assign):
            defined |= {target.id: node for target in node.targets if isinstance(target, ast.Name)}
    return defined


def _tokens(defined: dict[str, Any], functions: Collection[str]) -> list[bytes]:
    """Kinds of nodes, attributes and constants, from the top down: first of these functions, then of what they name."""
    tokens: list[bytes] = []
    reached = [name for name in functions if name in defined]
    known = set(reached)
    for name in reached:
        stack = [defined[name]]
        while stack:
            node: Any = stack.pop()
            if isinstance(node, list):
                stack += node[::-1]
            elif isinstance(node, _NODE):
                kind: Any = type(node)
                if kind is ast.Expr and type(node.value) is ast.Constant:  # a docstring
                    continue
                tokens.append(_kind(kind))
                stack += [getattr(node, field, None) for field in _fields(kind)]
                if kind is ast.Name and node.id in defined and node.id not in known:
                    known.add(node.id)
                    reached.append(node.id)
            elif node is not None:
                tokens.append(str(node).encode("utf-8", "replace"))
    return tokens


@cache
def _kind(kind: Any) -> bytes:
    return str(kind.__name__).encode()


@cache
def _fields(kind: Any) -> tuple[str, ...]:
    return tuple(field for field in reversed(kind._fields) if field not in (*_NAMES, *_NOTES))
