"""Calls through the walls: what is asked, what a dead call costs, and what untrusted bytes become."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader import engine, outcomes
from grader.formula import Formula
from grader.sandbox import packing
from grader.sandbox.exchange import Answer, Exchange, Fate
from grader.sandbox.wire import ANSWERS, Frame, Kind
from grader.values import Call, Limits, Part, Submission

PARTS = {name: Part(name, name[0], "", "", "") for name in ("f1", "f2", "f3", "g1", "g2", "h1")}
SIGNATURE = "n"
LIMITS = Limits(call_seconds=2.0, submission_seconds=9.0)
NUMBER = packing.array(0, (), np.float64(1).tobytes()) + b"\0"
LOADED = Answer(Frame(Kind.LOADED, packing.text("f\ng\nhelper")), 0.0, 0)


def call(part, *arguments):
    return Call(PARTS[part], arguments or (0,), "", "")


CALLS = [call(part) for part in ("f1", "f2", "g1", "f1", "g2", "f2", "h1")]


class Walls:
    """A sandbox that answers with what it is told to, and remembers what it was asked."""

    name, layers = "told", ()

    def __init__(self, *exchanges):
        self.exchanges, self.asked = list(exchanges), []

    @contextmanager
    def session(self, source):
        yield self

    def end(self):
        self.asked.append("a fresh child")

    def ask(self, requests, limits):
        self.asked.append([(request.answers, round(request.seconds, 3)) for request in requests])
        return self.exchanges.pop(0)


def answers(count, seconds=0.0, kind=Kind.VALUE, payload=NUMBER, printed=0):
    return tuple(Answer(Frame(kind, payload), seconds, printed) for _ in range(count))


def exchange(given=(), fate=Fate.DONE, *, detail="", seconds=0.0, output=b"", printed=None, loaded=LOADED):
    return Exchange(loaded, tuple(given), fate, detail, seconds, output, len(output) if printed is None else printed)


def run(*exchanges, calls=CALLS, limits=LIMITS):
    walls = Walls(*exchanges)
    return engine.run(walls, Submission("a.py", b"source"), calls, SIGNATURE, limits), walls.asked


def kinds(result):
    return {n: outcome.kind for n, outcome in sorted(result.outcomes.items())}


def test_one_exchange_carries_everything_a_request_a_function():
    result, asked = run(exchange(answers(7)))
    assert asked == [[(4, 3.0), (2, 3.0), (1, 3.0)]]
    assert kinds(result) == dict.fromkeys(range(7), "value")


def test_a_dead_call_costs_its_part_and_the_rest_runs_in_a_fresh_child():
    result, asked = run(exchange(answers(1), Fate.CRASH, detail="it was killed by SIGSEGV"), exchange(answers(5)))
    assert asked[1] == [(1, 3.0), (2, 3.0), (1, 3.0)]  # f2 died: of f, only the call of f1 is asked for
    assert kinds(result) == {0: "value", 1: "crash", 2: "value", 3: "value", 4: "value", 6: "value"}
    assert result.outcomes[1].text == "it was killed by SIGSEGV"


def test_each_function_has_its_own_share_of_the_time():
    slow = exchange(answers(1, seconds=0.5), Fate.TIMEOUT, seconds=2.0)
    result, asked = run(slow, exchange(answers(5)))
    assert asked[1] == [(1, 0.5), (2, 3.0), (1, 3.0)]
    assert result.outcomes[1].text == "no answer within 2 s"


def test_a_function_that_used_its_share_is_not_called_again():
    result, asked = run(
        exchange((), Fate.TIMEOUT, seconds=2.0), exchange((), Fate.TIMEOUT, seconds=1.0), exchange(answers(3))
    )
    assert asked == [[(4, 3.0), (2, 3.0), (1, 3.0)], [(2, 1.0), (2, 3.0), (1, 3.0)], [(2, 3.0), (1, 3.0)]]
    assert kinds(result) == {0: "timeout", 1: "timeout", 2: "value", 4: "value", 6: "value"}
    assert result.outcomes[1].text == "no answer before the function's share of the time was used up"


def test_a_share_used_up_by_one_part_costs_the_function_s_other_part_its_calls():
    result, asked = run(exchange(answers(1, seconds=2.5), Fate.TIMEOUT, seconds=0.5), exchange(answers(3)))
    assert asked[1] == [(2, 3.0), (1, 3.0)]
    assert kinds(result) == {0: "value", 1: "timeout", 2: "value", 3: "timeout", 4: "value", 6: "value"}
    assert result.outcomes[3].text == "not called: the function had used its share of the time (3 s)"


def test_loading_again_is_charged_to_the_function_that_made_it_necessary():
    calls = [call(part) for part in ("f1", "f2", "f3", "g1")]
    slowly = Answer(LOADED.frame, 1.0, 0)
    first, second = exchange((), Fate.CRASH, loaded=slowly), exchange((), Fate.CRASH, loaded=slowly)
    _, asked = run(first, second, exchange(answers(2)), calls=calls)
    assert asked == [[(3, 4.5), (1, 4.5)], [(2, 4.5), (1, 4.5)], [(1, 3.5), (1, 4.5)]]


def test_a_file_that_cannot_be_loaded_is_tried_once():
    payload = packing.text("NameError") + packing.text("x") + packing.text("trace") + b"\0\0\0"
    result, asked = run(exchange(loaded=Answer(Frame(Kind.RAISED, payload), 0.0, 0)))
    assert (len(asked), result.outcomes) == (1, {})
    assert (result.unloaded.kind, result.unloaded.text, result.unloaded.traceback) == (
        "raised",
        "NameError: x",
        "trace",
    )


@pytest.mark.parametrize("fate", [Fate.TIMEOUT, Fate.EXIT, Fate.CRASH, Fate.MEMORY, Fate.OUTPUT, Fate.PROTOCOL])
def test_a_file_that_dies_while_loading_is_unreadable(fate):
    result, _ = run(exchange(fate=fate, loaded=None))
    assert (result.unloaded.kind, result.outcomes) == (fate.value, {})


def test_a_file_that_loads_only_once_fails_the_rest():
    dead = exchange(answers(1), Fate.CRASH)
    result, _ = run(dead, *[exchange(fate=Fate.EXIT, loaded=None)] * 4)
    assert result.unloaded is None
    assert kinds(result) == {0: "value", 1: "crash", 2: "exit", 3: "exit", 4: "exit", 6: "exit"}


def test_what_loading_prints_is_shown_once():
    def printing(count, fate=Fate.DONE):
        given = answers(count, printed=len(b"hello\nmore\n"))
        return exchange(given, fate, output=b"hello\nmore\n", loaded=Answer(LOADED.frame, 0.0, len(b"hello\n")))

    result, _ = run(printing(1, Fate.CRASH), printing(5))
    assert result.output == "hello\nmore\nmore\n"


def test_what_is_printed_is_told_with_its_call():
    given = [Answer(Frame(Kind.VALUE, NUMBER), 0.0, printed) for printed in (2, 2, 5)]
    output = b"0\n22\ndeath\n"
    result, _ = run(exchange(given, Fate.CRASH, output=output), exchange(answers(2)), calls=CALLS[:6])
    assert result.printed == ((0, "0\n"), (3, "22\n"), (5, "death\n"))  # positions: the function's calls come together


def test_what_is_printed_after_the_last_answer_is_of_no_call():
    result, _ = run(exchange(answers(7), output=b"late\n"))
    assert result.printed == ((None, "late\n"),)


def test_what_was_not_kept_is_counted():
    result, _ = run(exchange(answers(7), output=b"x" * 64 * 2**10, printed=10**6))
    assert result.output.endswith("x\n[934464 more bytes were not kept]\n")


# Texts of the student's.


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("plain\ttext\n", "plain\ttext\n"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07", "]0;title"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("\u202egnp.exe", "gnp.exe"),
        ("a\u00a0b\0\x08", "a b"),
        ("∂y, σ′, 学生", "∂y, σ′, 学生"),
    ],
)
def test_texts_lose_what_a_terminal_would_obey(text, cleaned):
    assert outcomes.clean(text) == cleaned


@given(st.text())
def test_cleaning_twice_changes_nothing_more(text):
    assert outcomes.clean(outcomes.clean(text)) == outcomes.clean(text)


# Untrusted answers.


@given(st.sampled_from(sorted(ANSWERS)), st.binary(max_size=300))
def test_any_payload_becomes_an_outcome(kind, payload):
    result, _ = run(exchange(answers(1, kind=kind, payload=payload)), calls=[call("f1")])
    assert result.outcomes[0].kind in {"value", "raised", "wrong_type", "missing", "memory", "exit", "protocol"}


@given(st.binary(max_size=100))
def test_any_bytes_may_stand_where_names_are_expected(payload):
    result, _ = run(
        exchange(
            answers(1, kind=Kind.ABSENT, payload=packing.text("")), loaded=Answer(Frame(Kind.LOADED, payload), 0, 0)
        ),
        calls=[call("f1")],
    )
    assert result.outcomes[0].kind == "missing"


@pytest.mark.parametrize(
    ("message", "advice"),
    [
        ("[Errno 1] Operation not permitted", "; there are no processes and no threads here: compute it in this one"),
        ("can't start new thread", "; there are no processes and no threads here: compute it in this one"),
        ("[Errno 27] File too large", "; there are no files and no network here: keep it in memory"),
        ("[Errno 13] Permission denied: 'data.csv'", "; there are no files and no network here: keep it in memory"),
        (
            "[Errno 2] No usable temporary directory found in ['/tmp']",
            "; there are no files and no network here: keep it in memory",
        ),
        ("[Errno 2] No such file or directory: 'data.csv'", ""),
    ],
)
def test_files_cannot_be_written(message, advice):
    payload = packing.text("OSError") + packing.text(message) + packing.text("") + b"\0\0\0"
    result, _ = run(exchange(answers(1, kind=Kind.RAISED, payload=payload)), calls=[call("f1")])
    assert result.outcomes[0].text == f"OSError: {message}{advice}"


@pytest.mark.parametrize("payload", [b"", b"\xff" * 10, packing.text("E")])
def test_a_broken_reason_for_not_loading_is_a_broken_protocol(payload):
    result, _ = run(exchange(loaded=Answer(Frame(Kind.RAISED, payload), 0.0, 0)))
    assert result.unloaded.kind == "protocol"


def test_a_misspelt_function_is_named():
    absent = answers(7, kind=Kind.ABSENT, payload=packing.text(""))
    near = Answer(Frame(Kind.LOADED, packing.text("F\nff")), 0.0, 0)
    result, _ = run(exchange(absent, loaded=near))
    assert result.outcomes[0].text == "the file has no function f; it has ff: did you mean that?"
    assert result.outcomes[6].text == "the file has no function h"


def test_what_is_not_callable_is_named():
    result, _ = run(exchange(answers(7, kind=Kind.ABSENT, payload=packing.text("int"))))
    assert result.outcomes[0].text == "f is not a function but of type int"


# Requests.


def test_arguments_that_calls_share_are_sent_once():
    shared = (np.arange(1000.0), Formula("z", {}), None)
    once = engine.pack([call("f1", *shared)])
    thrice = engine.pack([call("f1", *shared)] * 3)
    assert len(thrice) - len(once) < 100


def test_a_file_that_is_slow_to_load_is_not_loaded_for_ever():
    slow = LOADED._replace(seconds=8.0)
    dying = [exchange(answers(n), Fate.CRASH, loaded=slow, seconds=0.1) for n in (0, 0, 0, 0)]
    result, asked = run(*dying)
    assert len(asked) == 4  # 32 s of loading, for a submission of 9 s
    assert result.outcomes[6].text == "not called: the file had been loaded again and again, for 32 s"


def test_what_is_printed_after_loading_failed_is_of_no_call():
    refused = Answer(Frame(Kind.RAISED, RAISED_PAYLOAD), 0.0, 2)
    result, _ = run(exchange(loaded=refused, output=b"a\nlate\n"))
    assert result.printed == ((None, "a\n"), (None, "late\n"))


RAISED_PAYLOAD = b"".join(map(packing.text, ("ValueError", "first\nsecond", "Traceback\n  it"))) + bytes(3)


def test_a_message_is_one_line_and_a_traceback_is_not():
    result, _ = run(exchange(answers(7, kind=Kind.RAISED, payload=RAISED_PAYLOAD)))
    assert result.outcomes[0].text == "ValueError: first second"
    assert result.outcomes[0].traceback == "Traceback\n  it"


def test_texts_are_cut_to_what_an_honest_child_sends():
    payload = b"".join(map(packing.text, ("E", "x" * 10**5, "y" * 10**5))) + bytes(3)
    result, _ = run(exchange(answers(7, kind=Kind.RAISED, payload=payload)))
    assert len(result.outcomes[0].text) < packing.LONGEST_TEXT + 10
    assert len(result.outcomes[0].traceback) <= packing.LONGEST_TEXT
