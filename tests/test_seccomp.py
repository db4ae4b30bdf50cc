"""The filter does what the table says: it is run here on an interpreter of the kernel's classic BPF."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.sandbox import policy, seccomp

MACHINES = st.sampled_from(policy.MACHINES)
HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}
ACTIONS = {name: rule.action for rule in policy.RULES for name in rule.calls.split()}
CONDITIONAL = {condition.call: condition for condition in policy.CONDITIONS}


def decided(program, number, arguments=(0,) * 6, architecture=None, machine="x86_64"):
    """What the kernel would do: the action the program returns for this call."""
    architecture = seccomp.AUDIT_ARCHITECTURES[machine] if architecture is None else architecture
    data = struct.pack("<IIQ6Q", number, architecture, 0, *arguments)
    instructions = list(struct.iter_unpack("<HBBI", program))
    at, loaded = 0, 0
    while True:
        code, if_true, if_false, value = instructions[at]
        at += 1
        match code:
            case 0x20:
                (loaded,) = struct.unpack_from("<I", data, value)
            case 0x05:
                at += value
            case 0x15:
                at += if_true if loaded == value else if_false
            case 0x35:
                at += if_true if loaded >= value else if_false
            case 0x45:
                at += if_true if loaded & value else if_false
            case 0x06:
                return value
            case _:
                raise AssertionError(f"an instruction the filter is not made of: {code:#x}")


def numbers(machine):
    at = policy.MACHINES.index(machine)
    return {known[at]: name for name, known in policy.NUMBERS.items() if known[at] is not None}


@pytest.mark.parametrize("machine", policy.MACHINES)
def test_every_call_of_the_table_gets_its_action(machine):
    program = seccomp.program(machine, 1)
    for number, name in numbers(machine).items():
        if name not in CONDITIONAL:
            assert decided(program, number, machine=machine) == ACTIONS[name], name


@given(MACHINES, st.integers(0, 2**30 - 1))
def test_a_call_that_is_not_in_the_table_does_not_exist(machine, number):
    if number not in numbers(machine):
        assert decided(seccomp.program(machine, 1), number, machine=machine) == policy.NO_SUCH_CALL


@given(MACHINES, st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_another_door_is_death(machine, number, architecture):
    if architecture != seccomp.AUDIT_ARCHITECTURES[machine]:
        assert decided(seccomp.program(machine, 1), number, architecture=architecture) == policy.KILL


@given(st.integers(2**30, 2**32 - 1))
def test_x32_is_death(number):
    assert decided(seccomp.program("x86_64", 1), number) == policy.KILL


@given(MACHINES, st.sampled_from(["mmap", "mprotect"]), st.integers(0, 2**64 - 1))
def test_memory_is_never_executable(machine, call, protection):
    number = policy.NUMBERS[call][policy.MACHINES.index(machine)]
    action = decided(seccomp.program(machine, 1), number, (0, 4096, protection, 0, 0, 0), machine=machine)
    assert action == (policy.NOT_PERMITTED if protection & policy.PROT_EXEC else policy.ALLOW)


@given(MACHINES, st.integers(1, 2**22), st.integers(0, 2**32 - 1))
def test_only_oneself_can_be_signalled(machine, process, target):
    number = policy.NUMBERS["tgkill"][policy.MACHINES.index(machine)]
    action = decided(seccomp.program(machine, process), number, (target, 1, 9, 0, 0, 0), machine=machine)
    assert action == (policy.ALLOW if target == process else policy.KILL)


def test_no_call_stands_in_the_table_twice():
    names = [name for rule in policy.RULES for name in rule.calls.split()] + list(CONDITIONAL)
    assert sorted(names) == sorted(set(names)) == sorted(policy.NUMBERS)


def test_every_rule_has_its_reason():
    assert all(rule.reason for rule in policy.RULES)


@pytest.mark.parametrize("machine", policy.MACHINES)
def test_the_numbers_are_those_of_the_kernel_s_headers(machine):
    if not HEADERS[machine].exists():
        pytest.skip(f"{HEADERS[machine]} is not on this machine")
    text = re.sub(
        r"__NR3264_(fstatat|fstat|lseek|mmap|fcntl|statfs|fstatfs|truncate|ftruncate|sendfile)\b",
        r"__NR_\1",
        HEADERS[machine].read_text(),
    )
    known = {name: int(number) for name, number in re.findall(r"#define __NR_(\w+)\s+(\d+)\b", text)}
    known["newfstatat"] = known.get("newfstatat", known.get("fstatat"))  # one call by two names
    for name, pair in policy.NUMBERS.items():
        assert pair[policy.MACHINES.index(machine)] == known.get(name), name
