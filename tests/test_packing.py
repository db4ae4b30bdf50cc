"""Values inside a frame: read back as written, refused otherwise, and never larger than what was sent."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as numpy_strategies

from grader.sandbox import packing
from grader.sandbox.packing import DTYPES, Cursor, Malformed

arrays = st.sampled_from([0, 1]).flatmap(
    lambda code: st.tuples(
        st.just(code),
        numpy_strategies.arrays(DTYPES[code], numpy_strategies.array_shapes(min_dims=0, min_side=0)),
    )
)


@given(arrays)
def test_arrays_are_read_back(coded):
    code, array = coded
    cursor = Cursor(packing.array(code, array.shape, array.tobytes()))
    assert cursor.array() == (code, array.shape, array.tobytes())
    cursor.end()


@given(st.text(), st.integers(0, 2**32 - 1))
def test_texts_and_numbers_are_read_back(text, small):
    packed = packing.text(text) + packing.u32(small) + b"rest"
    cursor = Cursor(packed)
    assert cursor.text() == text.encode("utf-8", "replace").decode()
    assert (cursor.u32(), cursor.rest()) == (small, b"rest")
    cursor.end()


@given(st.binary(max_size=100))
def test_any_bytes_are_an_array_of_their_own_length_or_malformed(payload):
    try:
        code, shape, raw = Cursor(payload).array()
    except Malformed:
        return
    assert len(raw) == math.prod(shape) * (8, 16)[code] <= len(payload)
    np.frombuffer(raw, DTYPES[code]).reshape(shape)  # numpy takes every shape that passes


@pytest.mark.parametrize(
    ("named", "payload"),
    [
        ("eight tebibytes", b"\x00" + packing.dimensions((2**20, 2**20)) + b"1234"),
        ("no entries of absurd extent", b"\x00" + packing.dimensions((0, 2**64 - 1, 2**64 - 1))),
        ("an unknown dtype", b"\x07" + packing.dimensions((1,)) + b"12345678"),
        ("more dimensions than numpy has", b"\x00" + packing.dimensions((1,) * 65) + b"12345678"),
        ("cut short", packing.array(0, (2,), b"12345678")),
    ],
)
def test_a_lying_array_is_refused_before_memory_is_taken(named, payload):
    with pytest.raises(Malformed):
        Cursor(payload).array()


def test_trailing_bytes_are_refused():
    cursor = Cursor(packing.u32(1) + b"x")
    cursor.u32()
    with pytest.raises(Malformed, match="1 bytes too many"):
        cursor.end()
