"""The policy's table as a seccomp filter: a program of the kernel's classic BPF machine. Pure: table in, bytes out.

It kills what comes in by another door (int 0x80, x32), then compares the call's number with the
table: the calls that depend on an argument, then group by group, allowed calls first.
"""

from __future__ import annotations

import struct
from functools import cache

from grader.sandbox import policy

AUDIT_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
X32_BIT = 0x40000000

_LOAD, _JUMP, _EQUAL, _AT_LEAST, _HAS_BIT, _RETURN = 0x20, 0x05, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16  # where they stand in the kernel's struct seccomp_data
_FARTHEST = 255  # instructions a jump can pass over


@cache
def program(machine: str, process: int) -> bytes:
    """The filter for a process of this id on this machine, eight bytes an instruction."""
    instructions = [
        _instruction(_LOAD, _ARCHITECTURE),
        _instruction(_EQUAL, AUDIT_ARCHITECTURES[machine], 1, 0),
        _instruction(_RETURN, policy.KILL),
        _instruction(_LOAD, _NUMBER),
    ]
    if machine == "x86_64":
        instructions += [_instruction(_AT_LEAST, X32_BIT, 0, 1), _instruction(_RETURN, policy.KILL)]
    for condition in policy.CONDITIONS:
        instructions += _condition(condition, machine, process)
    for rule in policy.RULES:
        instructions += _rule(rule, machine)
    instructions.append(_instruction(_RETURN, policy.DEFAULT))
    return b"".join(instructions)


def _instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("<HBBI", code, if_true, if_false, value)


def _rule(rule: policy.Rule, machine: str) -> list[bytes]:
    """Compare with each number; past the comparisons stands the action, and a jump over it."""
    numbers = [number for name in rule.calls.split() if (number := _number(name, machine)) is not None]
    assert len(numbers) < _FARTHEST
    compare = [_instruction(_EQUAL, number, len(numbers) - n, 0) for n, number in enumerate(numbers)]
    return [*compare, _instruction(_JUMP, 1), _instruction(_RETURN, rule.action)]


def _condition(condition: policy.Condition, machine: str, process: int) -> list[bytes]:
    """Look at the low half of one argument: the high half of a process id or of memory's protection says nothing."""
    number = _number(condition.call, machine)
    assert number is not None
    test = _instruction(_EQUAL, process, 0, 1) if condition.bit is None else _instruction(_HAS_BIT, condition.bit, 0, 1)
    return [
        _instruction(_EQUAL, number, 0, 4),
        _instruction(_LOAD, _ARGUMENTS + 8 * condition.argument),
        test,
        _instruction(_RETURN, condition.then),
        _instruction(_RETURN, condition.otherwise),
    ]


def _number(name: str, machine: str) -> int | None:
    return policy.NUMBERS[name][policy.MACHINES.index(machine)]
