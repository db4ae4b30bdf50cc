"""One conversation with one child: deadlines on this side's clock, caps on what comes back, and its fate.

It owns frames, not their contents. It must not know how the child was walled in: a backend hands it
a `Child`, three pipe ends with a way to kill and a way to reap.
"""

from __future__ import annotations

import os
import selectors
import signal
from collections import deque
from enum import StrEnum
from time import monotonic, sleep
from typing import TYPE_CHECKING, NamedTuple, NoReturn, Protocol

from grader.errors import GraderFault
from grader.sandbox.wire import ANSWERS, LIMITS, FrameReader, Kind, ProtocolViolation, encode

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from grader.sandbox.wire import Frame
    from grader.values import Limits

START_SECONDS = 60.0  # for an interpreter and numpy, on a machine under load; ours, not the student's
FAREWELL_SECONDS = 0.5  # between a closed pipe and the death that should explain it
GATHERING_SECONDS = 0.001  # between looks: to be woken for every answer would cost both sides more than the answers
QUICKEST_SECONDS = 20e-6  # between two answers: where few are still to come, there is less to gather
CHUNK = 64 * 2**10


class Fate(StrEnum):
    """How a conversation ended: all answered, or why not."""

    DONE = "done"
    TIMEOUT = "timeout"
    MEMORY = "memory"
    CRASH = "crash"
    EXIT = "exit"
    FORBIDDEN = "forbidden"
    OUTPUT = "output"
    PROTOCOL = "protocol"


class Request(NamedTuple):
    """One frame for the child, how many answers it asks for, and how long all of them may take."""

    payload: bytes
    answers: int
    seconds: float


class Answer(NamedTuple):
    """One frame from the child, the seconds it took to come, and the bytes printed by then.

    That number is the child's own word, within what is known to have been printed: for display, not trusted.
    """

    frame: Frame
    seconds: float
    printed: int


class Exchange(NamedTuple):
    """What came back. `loaded` is None when the source was never loaded, or died on the way.

    When the fate is not DONE, the call after the last answer is the one that died, and `detail`
    says in words what became of it, `seconds` how long it had been running. `output` is the start of
    what it has printed since it was asked, `printed` the number of bytes of all of it. `status` is the exit status
    of a child that has ended itself, `wasted` the seconds of children whose answers were thrown away before this one's.
    """

    loaded: Answer | None
    answers: tuple[Answer, ...]
    fate: Fate
    detail: str
    seconds: float
    output: bytes
    printed: int
    status: int | None = None
    wasted: float = 0.0

    @property
    def total_seconds(self) -> float:
        """How long all of it took, what was wasted before included."""
        return self.wasted + self.seconds + sum(answer.seconds for answer in (self.loaded, *self.answers) if answer)

    @property
    def is_loaded(self) -> bool:
        return self.loaded is not None and self.loaded.frame.kind is Kind.LOADED


class Ending(NamedTuple):
    """How a child ended: its exit status (negative for a signal) and the CPU seconds it had used."""

    status: int
    cpu_seconds: float


class Child(Protocol):
    """A running harness: the parent's ends of its three pipes."""

    @property
    def request(self) -> int: ...
    @property
    def response(self) -> int: ...
    @property
    def output(self) -> int: ...

    def kill(self) -> None:
        """Kill it and all it started. May be called twice."""

    def reap(self, seconds: float) -> Ending | None:
        """How it ended, once it has; None when it has not within this time."""


class _Stop(Exception):
    """The conversation is over: its fate and a word about it."""

    def __init__(self, fate: Fate, detail: str = "", status: int | None = None) -> None:
        self.fate, self.detail, self.status = fate, detail, status


class Conversation:
    """With one child, which is asked again and again until it has died."""

    def __init__(self, child: Child, source: bytes, limits: Limits) -> None:
        self._child, self._begun_with = child, limits
        self._nonce = int.from_bytes(os.urandom(8), "little")
        bounds = LIMITS.pack(limits.memory_bytes, limits.submission_seconds)
        self._opening: tuple[tuple[Kind, bytes], ...] = ((Kind.LIMITS, bounds), (Kind.SOURCE, source))
        self._sent = 0
        self._reader = FrameReader(self._nonce)
        self._output, self._printed, self._told = bytearray(), 0, 0  # since the child began
        self._kept_before, self._printed_before = 0, 0  # it was asked last
        self._ready = False
        self._loaded: Answer | None = None
        for descriptor in (child.request, child.response, child.output):
            os.set_blocking(descriptor, False)

    def ask(self, requests: Sequence[Request], limits: Limits) -> Exchange:
        self._limits = limits
        self._kept_before, self._printed_before = len(self._output), self._printed
        self._turns = deque((r.answers, r.seconds) for r in requests if r.answers)
        self._left, self._turn_deadline = 0, 0.0
        self._answers: list[Answer] = []
        self._unsent = memoryview(b"".join(self._frames(requests)))
        self._since = monotonic()
        self._deadline = self._since + START_SECONDS
        try:
            if self._loaded:
                self._refuse_what_came_before()
                self._loaded = self._loaded._replace(seconds=0.0, printed=0)  # that was another question's
                self._next_turn(self._since)
            with selectors.DefaultSelector() as self._selector:
                self._register()
                self._listen()
        except _Stop as stop:
            return self._exchange(stop)

    def _refuse_what_came_before(self) -> None:
        """What is answered before it is asked is no answer."""
        if self._reader.has_more or (early := _read(self._child.response)):
            raise _Stop(Fate.PROTOCOL, "its answer was sent before the question")
        if early is not None:
            self._bury()

    def _frames(self, requests: Sequence[Request]) -> Iterator[bytes]:
        frames = (*self._opening, *((Kind.REQUEST, request.payload) for request in requests), (Kind.END, b""))
        for n, (kind, payload) in enumerate(frames, self._sent):
            yield encode(kind, n, self._nonce, payload)
        self._opening, self._sent = (), self._sent + len(frames)

    def _listen(self) -> NoReturn:
        while True:
            for key, _ in self._selector.select(max(0.0, self._deadline - monotonic())):
                key.data()
            if self._left:
                sleep(min(GATHERING_SECONDS, QUICKEST_SECONDS * self._left))
            if monotonic() >= self._deadline:
                self._receive()  # what came while this process was not running is in time
            if monotonic() >= self._deadline:
                self._expire()

    def _exchange(self, stop: _Stop) -> Exchange:
        seconds = monotonic() - self._since
        self._drain()
        output, printed = bytes(self._output[self._kept_before :]), self._printed - self._printed_before
        answers = tuple(self._answers)
        return Exchange(self._loaded, answers, stop.fate, stop.detail, seconds, output, printed, stop.status)

    def _register(self) -> None:
        self._selector.register(self._child.request, selectors.EVENT_WRITE, self._send)
        self._selector.register(self._child.output, selectors.EVENT_READ, self._hear)
        self._selector.register(self._child.response, selectors.EVENT_READ, self._receive)

    def _send(self) -> None:
        try:
            self._unsent = self._unsent[os.write(self._child.request, self._unsent[:CHUNK]) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._bury()
        if not self._unsent:
            self._selector.unregister(self._child.request)

    def _hear(self) -> None:
        if self._drain():
            self._selector.unregister(self._child.output)
        if self._printed > self._limits.output_killed_bytes:
            raise _Stop(Fate.OUTPUT, f"it printed more than {self._limits.output_killed_bytes / 2**20:g} MiB")

    def _drain(self) -> bool:
        """Read what has been printed, up to the cap; True at its end."""
        while self._printed <= self._limits.output_killed_bytes:
            chunk = _read(self._child.output)
            if not chunk:
                return chunk is not None
            self._printed += len(chunk)
            self._output += chunk[: max(0, self._limits.output_kept_bytes - len(self._output))]
        return False

    def _receive(self) -> None:
        chunk = _read(self._child.response)
        if chunk is None:
            return
        if not chunk:
            self._bury()
        self._drain()  # the child flushes what a call printed before it sends the call's frame
        try:
            for frame in self._reader.feed(chunk):
                self._take(frame)
        except ProtocolViolation as violation:
            raise _Stop(Fate.PROTOCOL, f"its answer was {violation}") from None

    def _take(self, frame: Frame) -> None:
        now = monotonic()
        self._told = min(max(self._told, frame.printed), self._printed)
        answer, self._since = Answer(frame, now - self._since, max(0, self._told - self._printed_before)), now
        if self._unsent:
            raise ProtocolViolation("sent before the question")
        if not self._ready:
            _expect(frame.kind is Kind.READY)
            self._ready = True
            self._deadline = now + self._limits.submission_seconds  # a large library may take its time to import
        elif self._loaded is None:
            _expect(frame.kind in (Kind.LOADED, Kind.RAISED))
            self._loaded = answer
            if frame.kind is Kind.RAISED:
                raise _Stop(Fate.DONE)
            self._next_turn(now)
        else:
            _expect(frame.kind in ANSWERS)
            self._answers.append(answer)
            self._left -= 1
            self._next_turn(now) if not self._left else self._next_call(now)

    def _next_turn(self, now: float) -> None:
        if not self._turns:
            raise _Stop(Fate.DONE)
        self._left, seconds = self._turns.popleft()
        self._turn_deadline = now + seconds
        self._next_call(now)

    def _next_call(self, now: float) -> None:
        self._deadline = min(now + self._limits.call_seconds, self._turn_deadline)

    def _expire(self) -> None:
        if not self._ready:
            raise GraderFault(
                f"sandbox: its child was not ready after {START_SECONDS:g} s; expected under one; "
                "free the machine and try again"
            )
        raise _Stop(Fate.TIMEOUT)

    def _bury(self) -> None:
        """The child closed its end: say why. Raises _Stop, or GraderFault if it was not the student's doing."""
        ending = self._child.reap(FAREWELL_SECONDS)
        if not self._ready:
            self._drain()
            raise GraderFault(
                f"sandbox: its child ended before it had read the submission ({_in_words(ending)}); expected a running "
                f"interpreter with numpy; it said: {self._output.decode(errors='replace').strip()[-500:] or 'nothing'}"
            )
        if ending is None:
            raise _Stop(Fate.PROTOCOL, "it closed the pipe its answers go through")
        raise _Stop(_fate(ending, self._begun_with), _in_words(ending), ending.status)


def _expect(condition: bool) -> None:
    if not condition:
        raise ProtocolViolation("a frame out of turn")


def _read(descriptor: int) -> bytes | None:
    """What there is: None for nothing yet, b"" for the end."""
    try:
        return os.read(descriptor, CHUNK)
    except BlockingIOError:
        return None


def _fate(ending: Ending, limits: Limits) -> Fate:
    if ending.status >= 0:
        return Fate.EXIT
    number = -ending.status
    if number == signal.SIGXCPU:
        return Fate.TIMEOUT
    if number == signal.SIGKILL:
        spent = ending.cpu_seconds >= 0.8 * limits.submission_seconds
        return Fate.TIMEOUT if spent else Fate.MEMORY
    return Fate.FORBIDDEN if number == getattr(signal, "SIGSYS", None) else Fate.CRASH


def _in_words(ending: Ending | None) -> str:
    if ending is None:
        return "it still runs"
    if ending.status >= 0:
        return f"it ended itself with exit status {ending.status}"
    number = -ending.status
    known = number in set(signal.Signals)
    return f"it was killed by {signal.Signals(number).name if known else f'signal {number}'}"
