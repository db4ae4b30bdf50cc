"""What every backend promises, run over each real one and over a scripted fake at the byte contract.

A scenario is a student's source for the real backends, a script of the same behaviour for the fake,
and what must be seen of either from outside.
"""

from __future__ import annotations

import time
from contextlib import ExitStack, closing
from dataclasses import dataclass, field

import numpy as np
import pytest
from conftest import asked

from contracts.scripted import Scripted
from grader import engine, sandbox
from grader.errors import GraderFault
from grader.sandbox import BACKENDS, packing
from grader.sandbox.exchange import Fate, Request
from grader.sandbox.wire import HEADER, MAGIC, Kind, read_frame
from grader.values import Call, Limits, Part

PART = Part("p", "f", "", "", "")
LIMITS = Limits(
    call_seconds=1.0,
    submission_seconds=2.0,
    memory_bytes=256 * 2**20,
    output_kept_bytes=1000,
    output_killed_bytes=100_000,
)
CALLS = 3


def request(calls=CALLS, seconds=10.0):
    return Request(engine.pack([Call(PART, (n,), "", "") for n in range(calls)]), calls, seconds)


def number(n):
    return packing.array(0, (), np.float64(n).tobytes()) + b"\0"


@dataclass(frozen=True)
class Scenario:
    """One behaviour of a child, for real and scripted, and what is seen of it."""

    source: str
    script: object
    fate: Fate
    answers: tuple[Kind, ...] = ()
    loaded: Kind | None = Kind.LOADED
    detail: str = ""
    output: bytes = b""
    requests: tuple[Request, ...] = field(default_factory=lambda: (request(),))
    limits: Limits = LIMITS
    backends: tuple[str, ...] = (*BACKENDS, "scripted")


def loaded(stage):
    stage.read()
    stage.send(Kind.READY)
    stage.send(Kind.LOADED, packing.text("f"))


def then(*steps):
    """A script that loads, answers the first call, and goes on with these steps."""

    def script(stage):
        loaded(stage)
        stage.send(Kind.VALUE, number(0))
        for name, *arguments in steps:
            getattr(stage, name)(*arguments)

    return script


def answers_all(stage):
    loaded(stage)
    for n in range(CALLS):
        stage.send(Kind.VALUE, number(n))


def answers_many(stage):
    loaded(stage)
    for n in range(30_000):
        stage.send(Kind.VALUE, number(n))


def hangs_while_loading(stage):
    stage.read()
    stage.send(Kind.READY)
    stage.hang()


def ends_while_loading(stage):
    stage.read()
    stage.send(Kind.READY)
    stage.end(7)


def fails_to_load(stage):
    stage.read()
    stage.send(Kind.READY)
    stage.send(Kind.RAISED, b"")


def answers_otherwise(kind):
    def script(stage):
        loaded(stage)
        for _ in range(CALLS):
            stage.send(kind)

    return script


def prints(stage):
    loaded(stage)
    for n in range(CALLS):
        stage.print(b"%d\n" % n)
        stage.send(Kind.VALUE, number(n))


def at_the_second_call(statement):
    return f"import os, signal, sys\ndef f(n):\n    if n == 1:\n        {statement}\n    return n"


VALUE, ALL = (Kind.VALUE,), (Kind.VALUE,) * CALLS
GARBAGE = "for fd in range(3, 16):\n            try: os.write(fd, b'x' * 64)\n            except OSError: pass"
CLOSING = "os.closerange(3, 16)\n        while True: pass"
SCENARIOS = {
    "answers every call": Scenario("def f(n): return n", answers_all, Fate.DONE, ALL),
    "answers more than a pipe holds": Scenario(
        "def f(n): return n", answers_many, Fate.DONE, VALUE * 30_000, requests=(request(30_000),)
    ),
    "answers several requests": Scenario(
        "def f(n): return n", answers_all, Fate.DONE, ALL, requests=(request(1), request(0), request(1), request(1))
    ),
    "raises while loading": Scenario("1/0", fails_to_load, Fate.DONE, loaded=Kind.RAISED),
    "is not Python": Scenario("def", fails_to_load, Fate.DONE, loaded=Kind.RAISED),
    "raises in every call": Scenario("def f(n): 1/0", answers_otherwise(Kind.RAISED), Fate.DONE, (Kind.RAISED,) * 3),
    "leaves by sys.exit": Scenario(
        "import sys\ndef f(n): sys.exit()", answers_otherwise(Kind.RAISED), Fate.DONE, (Kind.RAISED,) * 3
    ),
    "has no such function": Scenario("g = 1", answers_otherwise(Kind.ABSENT), Fate.DONE, (Kind.ABSENT,) * 3),
    "gives no numbers": Scenario(
        "def f(n): return 'one'", answers_otherwise(Kind.BAD_TYPE), Fate.DONE, (Kind.BAD_TYPE,) * 3
    ),
    "gives a giant array": Scenario(
        "import numpy\ndef f(n): return numpy.zeros(10**6)",
        answers_otherwise(Kind.TOO_LARGE), Fate.DONE, (Kind.TOO_LARGE,) * 3,
    ),
    "asks for too much memory": Scenario(
        "import numpy\ndef f(n): return numpy.ones(2**28)",
        answers_otherwise(Kind.RAISED), Fate.DONE, (Kind.RAISED,) * 3,
    ),
    "hangs in its second call": Scenario(at_the_second_call("while True: pass"), then(["hang"]), Fate.TIMEOUT, VALUE),
    "hangs while loading": Scenario("while True: pass", hangs_while_loading, Fate.TIMEOUT, loaded=None),
    "uses up its request's time": Scenario(
        at_the_second_call("while True: pass"), then(["hang"]), Fate.TIMEOUT, VALUE,
        requests=(request(seconds=1.5),), limits=LIMITS._replace(call_seconds=30.0),
    ),
    "ends in its second call": Scenario(
        at_the_second_call("os._exit(3)"), then(["end", 3]), Fate.EXIT, VALUE, detail="it ended itself with exit status 3"
    ),
    "ends while loading": Scenario(
        "import os; os._exit(7)", ends_while_loading, Fate.EXIT, loaded=None, detail="it ended itself with exit status 7"
    ),
    "crashes": Scenario(
        at_the_second_call("import ctypes; ctypes.string_at(0)"), then(["end", -11]), Fate.CRASH, VALUE,
        detail="it was killed by SIGSEGV",
    ),
    "is killed": Scenario(
        at_the_second_call("os.kill(os.getpid(), signal.SIGKILL)"), then(["end", -9]), Fate.MEMORY, VALUE,
        detail="it was killed by SIGKILL", backends=("unconfined", "scripted"),  # behind better walls it cannot be
    ),
    "prints": Scenario(
        "def f(n):\n    print(n)\n    return n", prints, Fate.DONE, ALL, output=b"0\n1\n2\n"
    ),
    "prints without end": Scenario(
        at_the_second_call("while True: print('spam')"), then(["print", b"spam\n" * 10**6], ["hang"]),
        Fate.OUTPUT, VALUE, detail="it printed more than 0.0953674 MiB", output=b"spam\n" * 200,
        limits=LIMITS._replace(call_seconds=30.0),  # it is what it prints that ends it, however slow the machine
    ),
    "writes garbage where its answers go": Scenario(
        at_the_second_call(GARBAGE), then(["raw", b"x" * 64], ["hang"]), Fate.PROTOCOL, VALUE,
        detail="its answer was a frame with a wrong magic, sequence or nonce",
    ),
    "closes the pipe of its answers": Scenario(
        at_the_second_call(CLOSING), then(["close", "response"], ["hang"]), Fate.PROTOCOL, VALUE,
        detail="it closed the pipe its answers go through",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def real():
    """Every real backend, started once."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(closing(sandbox.start(name))) for name in BACKENDS}


@pytest.mark.parametrize(
    ("name", "scenario"),
    [
        pytest.param(name, scenario, id=f"{behaviour}, {name}")
        for behaviour, scenario in SCENARIOS.items()
        for name in scenario.backends
    ],
)
def test_what_is_seen_of_a_submission_that(name, scenario, real):
    walls = Scripted(scenario.script) if name == "scripted" else real[name]
    source = packing.text("homework.py") + scenario.source.encode()
    exchange = asked(walls, source, scenario.requests, scenario.limits)
    assert exchange.fate is scenario.fate
    assert tuple(answer.frame.kind for answer in exchange.answers) == scenario.answers
    assert (exchange.loaded.frame.kind if exchange.loaded else None) is scenario.loaded
    assert exchange.detail == scenario.detail
    assert exchange.output == scenario.output or not scenario.output
    assert len(exchange.output) <= scenario.limits.output_kept_bytes
    if scenario.fate is Fate.TIMEOUT:
        assert exchange.seconds >= min(scenario.limits.call_seconds, scenario.requests[0].seconds) / 2


@pytest.mark.parametrize("name", BACKENDS)
def test_numbers_come_through_unchanged(name, real):
    exchange = asked(real[name], packing.text("a.py") + b"def f(n): return n / 3", [request()], LIMITS)
    assert [answer.frame.payload for answer in exchange.answers] == [number(n / 3) for n in range(CALLS)]


@pytest.mark.parametrize("name", BACKENDS)
def test_a_submission_sees_nothing_of_the_one_before(name, real):
    source = b"import builtins\nseen = getattr(builtins, 'mark', 0)\nbuiltins.mark = 7\ndef f(n): return seen"
    for _ in range(2):
        exchange = asked(real[name], packing.text("a.py") + source, [request(1)], LIMITS)
        assert exchange.answers[0].frame.payload == number(0)


@pytest.mark.parametrize("name", BACKENDS)
def test_a_warm_child_serves_the_next_run(name):
    walls = sandbox.start(name)
    walls.warm()
    assert asked(walls, packing.text("a.py") + b"def f(n): return n", [request()], LIMITS).fate is Fate.DONE
    walls.warm()
    walls.close()


# What is asked later.

COUNTS = b"count = 0\ndef f(n):\n    global count\n    count += 1\n    print(count)\n    return count"


def values(exchange):
    return [answer.frame.payload for answer in exchange.answers]


@pytest.mark.parametrize("name", BACKENDS)
def test_a_child_that_is_asked_again_remembers(name, real):
    with real[name].session(packing.text("a.py") + COUNTS) as session:
        first, second = session.ask([request()], LIMITS), session.ask([request(1), request(1)], LIMITS)
    assert values(first) == [number(1), number(2), number(3)]
    assert values(second) == [number(4), number(5)]
    assert second.fate is Fate.DONE
    assert second.is_loaded
    assert (first.output, second.output) == (b"1\n2\n3\n", b"4\n5\n")
    assert [answer.printed for answer in second.answers] == [2, 4]
    assert (second.loaded.seconds, second.loaded.printed) == (0, 0)


@pytest.mark.parametrize("name", BACKENDS)
def test_what_is_asked_later_has_arguments_of_its_own(name, real):
    later = Request(engine.pack([Call(PART, (70,), "", ""), Call(PART, (80,), "", "")]), 2, 10.0)
    with real[name].session(packing.text("a.py") + b"def f(n): return n") as session:
        session.ask([request()], LIMITS)
        assert values(session.ask([later], LIMITS)) == [number(70), number(80)]


@pytest.mark.parametrize("name", BACKENDS)
def test_the_child_after_one_that_was_sent_away_is_a_fresh_one(name, real):
    with real[name].session(packing.text("a.py") + COUNTS) as session:
        session.ask([request()], LIMITS)
        session.end()
        assert values(session.ask([request(1)], LIMITS)) == [number(1)]


@pytest.mark.parametrize("name", BACKENDS)
def test_the_child_after_one_that_died_is_a_fresh_one(name, real):
    source = COUNTS.replace(b"return", b"import os; os._exit(3) if n == 2 else None; return")
    with real[name].session(packing.text("a.py") + source) as session:
        assert session.ask([request()], LIMITS).fate is Fate.EXIT
        assert values(session.ask([request(1)], LIMITS)) == [number(1)]


@pytest.mark.parametrize("name", BACKENDS)
def test_what_dies_of_a_later_question_is_seen(name, real):
    source = (
        packing.text("a.py") + b"calls = []\ndef f(n):\n    calls.append(n)\n    while calls[1:]: pass\n    return n"
    )
    with real[name].session(source) as session:
        assert session.ask([request(1)], LIMITS).fate is Fate.DONE
        later = session.ask([request(1)], LIMITS)
    assert (later.fate, later.answers) == (Fate.TIMEOUT, ())


@pytest.mark.parametrize("name", BACKENDS)
def test_a_later_question_can_be_read_by_who_it_is_put_to_and_nothing_else_comes_of_it(name, real):
    """What is asked later goes through a descriptor that the student's code can reach: it gets inputs, and no answer."""
    source = b"import os\ndef f(n):\n    os.set_blocking(3, False) if n else None\n    return len(os.read(3, 10**6))"
    with real[name].session(packing.text("a.py") + source) as session:
        later = session.ask([request(1)], LIMITS._replace(call_seconds=0.2))
    assert later.fate is not Fate.DONE


# What only a script can do.


def sends_ahead(stage):
    """Answers the first question, and a second one that it has not read."""
    answers_all(stage)
    stage.send(Kind.VALUE, number(7))
    stage.hang()


def test_what_was_sent_before_a_later_question_is_no_answer_to_it():
    with Scripted(sends_ahead).session(b"") as session:
        assert session.ask([request()], LIMITS).fate is Fate.DONE
        time.sleep(0.1)
        later = session.ask([request(1)], LIMITS)
    assert (later.fate, later.answers) == (Fate.PROTOCOL, ())
    assert later.detail == "its answer was sent before the question"


def test_a_child_that_ended_before_a_later_question_is_buried():
    with Scripted(answers_all).session(b"") as session:
        assert session.ask([request()], LIMITS).fate is Fate.DONE
        time.sleep(0.1)
        later = session.ask([request(1)], LIMITS)
    assert (later.fate, later.answers) == (Fate.EXIT, ())


def seen_of(script, requests=None, limits=LIMITS):
    return asked(Scripted(script), b"", requests or [request()], limits)


@pytest.mark.parametrize(
    ("named", "script"),
    [
        ("an answer before its question", lambda stage: stage.raw(b"x" * 64)),
        ("an answer while loading", lambda stage: (stage.read(), stage.send(Kind.READY), stage.send(Kind.VALUE))),
        ("no sign of being ready", lambda stage: (stage.read(), stage.send(Kind.LOADED))),
        ("loaded twice", lambda stage: (loaded(stage), stage.send(Kind.LOADED))),
        (
            "a forged nonce",
            lambda stage: (stage.read(), stage.raw(HEADER.pack(MAGIC, Kind.READY, 0, stage.nonce ^ 1, 0, 0))),
        ),
        ("a giant frame", then(["raw", HEADER.pack(MAGIC, Kind.VALUE, 3, 0, 0, 2**31)])),
    ],
)
def test_a_broken_protocol_is_its_own_fate(named, script):
    def hanging(stage):
        script(stage)
        stage.hang()

    assert seen_of(hanging).fate is Fate.PROTOCOL


def test_an_answer_before_the_whole_question_is_refused():
    def hasty(stage):
        for _ in range(2):
            _, stage.nonce, _ = read_frame(stage.ends["request"])
        stage.send(Kind.READY)
        stage.hang()

    assert seen_of(hasty, [request(100_000)]).fate is Fate.PROTOCOL


def test_a_frame_that_is_cut_short_is_no_answer():
    def cut(stage):
        loaded(stage)
        stage.raw(HEADER.pack(MAGIC, Kind.VALUE, 2, stage.nonce, 0, 100) + b"only this")
        stage.end(0)

    exchange = seen_of(cut)
    assert (exchange.fate, exchange.answers) == (Fate.EXIT, ())


def test_a_dripped_frame_is_on_the_clock_of_its_call():
    def drip(stage):
        loaded(stage)
        frame = HEADER.pack(MAGIC, Kind.VALUE, 2, stage.nonce, 0, 100)
        for n in range(len(frame)):
            stage.raw(frame[n : n + 1])
            stage._killed.wait(0.1)
        stage.hang()

    assert seen_of(drip).fate is Fate.TIMEOUT


@pytest.mark.parametrize(
    ("status", "fate"), [(-24, Fate.TIMEOUT), (-31, Fate.FORBIDDEN), (-6, Fate.CRASH), (-64, Fate.CRASH)]
)
def test_a_signal_tells_the_fate(status, fate):
    assert seen_of(then(["end", status])).fate is fate


@pytest.mark.parametrize("script", [lambda stage: stage.end(1), lambda stage: (stage.print(b"no numpy"), stage.end(1))])
def test_a_child_that_never_was_ready_is_our_fault(script):
    with pytest.raises(GraderFault, match="its child ended before it had read the submission"):
        seen_of(script)


def test_a_child_that_closes_its_question_is_our_fault():
    def deaf(stage):
        stage.close("request")
        stage.end(1)

    with pytest.raises(GraderFault):
        seen_of(deaf, [request(100_000)])
