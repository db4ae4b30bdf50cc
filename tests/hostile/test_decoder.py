"""Untrusted bytes: whatever a child sends, this side has an answer, a refusal, and no other exception."""

from __future__ import annotations

import math
from contextlib import contextmanager

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from grader import engine, judge
from grader.sandbox import packing
from grader.sandbox.exchange import Answer, Exchange, Fate
from grader.sandbox.wire import ANSWERS, Frame, FrameReader, Kind, ProtocolViolation, encode
from grader.values import Call, Limits, Part, Submission

NONCE = 0x0123_4567_89AB_CDEF
CALL = Call(Part("p", "f", "", "", ""), (0,), "", "")
OUTCOMES = {"value", "raised", "wrong_type", "missing", "memory", "exit", "protocol"}

texts = st.text(max_size=20).map(packing.text)
shapes = st.lists(st.one_of(st.integers(0, 4), st.integers(0, 2**64 - 1)), max_size=70).map(tuple)
arrays = st.builds(packing.array, st.integers(0, 3), shapes, st.binary(max_size=200))
honest_arrays = st.lists(st.floats(), max_size=20).map(
    lambda xs: packing.array(0, (len(xs),), np.array(xs, "<f8").tobytes())
)
visits = st.lists(st.tuples(st.integers(0, 255), honest_arrays), max_size=3).map(
    lambda pairs: bytes([len(pairs)]) + b"".join(bytes([position]) + points for position, points in pairs)
)
payloads = st.one_of(
    st.binary(max_size=300),
    arrays,
    st.tuples(honest_arrays, visits).map(b"".join),
    st.tuples(texts, texts, texts, st.binary(min_size=3, max_size=3)).map(b"".join),
    st.tuples(texts, texts, texts, st.just(b"\0\0\2"), arrays).map(b"".join),
    st.tuples(texts, st.just(b"\1"), shapes.map(packing.dimensions)).map(b"".join),
)
streams = st.lists(st.tuples(st.sampled_from(sorted(Kind)), payloads, st.integers(0, 2**64 - 1)), max_size=4).map(
    lambda frames: b"".join(
        encode(kind, n, NONCE, payload, printed) for n, (kind, payload, printed) in enumerate(frames)
    )
)
changes = st.lists(
    st.tuples(
        st.sampled_from(["flip", "cut", "put in", "double"]), st.integers(0, 2**16), st.binary(min_size=1, max_size=9)
    ),
    max_size=4,
)


def changed(stream, how, at, what):
    """The stream with one thing done to it."""
    at %= len(stream) + 1
    match how:
        case "flip":
            return (
                stream[:at] + bytes(a ^ b for a, b in zip(stream[at:], what, strict=False)) + stream[at + len(what) :]
            )
        case "cut":
            return stream[:at] + stream[at + len(what) :]
        case "put in":
            return stream[:at] + what + stream[at:]
    return stream[:at] + stream[max(0, at - 40) :]


class Walls:
    """A sandbox in which all that came is one frame."""

    def __init__(self, frame):
        self.frame = frame

    @contextmanager
    def session(self, source):
        yield self

    def ask(self, requests, limits):
        loaded = Answer(Frame(Kind.LOADED, packing.text("f")), 0.0, 0)
        return Exchange(loaded, (Answer(self.frame, 0.0, 0),), Fate.DONE, "", 0.0, b"", 0)


def asked_for(shape):
    """The shape that came, so that its numbers are looked at, where an assignment could ask for it."""
    return shape if shape and 0 < math.prod(shape) < 1000 else (1, 1)


def take(stream, changes, chunk):
    """Read the changed stream as the grader does. Anything but a frame, a refusal and an outcome is an exception."""
    for change in changes:
        stream = changed(stream, *change)
    reader = FrameReader(NONCE)
    try:
        for at in range(0, len(stream), chunk):
            for frame in reader.feed(stream[at : at + chunk]):
                if frame.kind in ANSWERS:
                    run = engine.run(Walls(frame), Submission("a.py", b""), [CALL], "n", Limits())
                    outcome = run.outcomes[0]
                    assert outcome.kind in OUTCOMES
                    judge.judge(CALL, outcome, np.ones(asked_for(outcome.shape)), 1e-5)
    except ProtocolViolation:
        pass


@given(streams, changes, st.integers(1, 4096))
@settings(max_examples=2000)
def test_no_bytes_are_too_much_for_the_decoder(stream, changes, chunk):
    take(stream, changes, chunk)
