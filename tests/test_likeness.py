"""Files that are alike are found by what their functions compute with, whatever they call it."""

from __future__ import annotations

import re

import pytest
from conftest import ROOT, SOLUTIONS

from grader import likeness
from grader.likeness import Alike
from grader.sandbox import sketch

FUNCTIONS = ("dy_db", "dy_dyprev", "dyL_dA")
RIGHT = (ROOT / "submissions" / "backprop" / "right.py").read_text()


def sketched(source):
    """The sketch of a text of ours: it is compiled, not run."""
    return sketch.of(compile(source, "", "exec", dont_inherit=True), FUNCTIONS).hex()


def in_order(sketches):
    def ordered(part):
        return sorted(sketches, key=lambda one: (one[2][part], one[2], one[1]))

    return ordered


@pytest.mark.parametrize(
    "changed",
    [
        RIGHT + "\n# a comment\n",
        RIGHT.replace("    ", "  "),
        RIGHT.replace("sigma", "activation").replace("dactivation", "dsigma"),
        '"""A text at the top."""\n' + RIGHT,
        re.sub(r"^def .*\n", r'\g<0>    """What it does."""\n', RIGHT, flags=re.MULTILINE),
        RIGHT + "\n\nif __name__ == '__main__':\n    print(dy_db)\n",
        re.sub(r"^def (\w+)\(l, A, b", r"def \1(l: int, A: list, b", RIGHT, flags=re.MULTILINE),
        RIGHT + "\n\ndef unused(x):\n    return x + 1\n",
    ],
)
def test_names_comments_layout_and_what_is_not_asked_for_make_no_difference(changed):
    assert changed != RIGHT
    assert sketched(changed) == sketched(RIGHT)


def test_other_work_makes_one():
    sketches = {path.parent.name: sketched(path.read_text()) for path in SOLUTIONS.glob("correct/*/solution.py")}
    shares = [likeness.shared(a, b) for n, a in sketches.items() for m, b in sketches.items() if n < m]
    assert sorted(shares)[len(shares) // 2] < 0.5
    assert len(set(sketches.values())) > 0.8 * len(sketches)


def test_a_helper_that_is_used_belongs_to_it():
    helped = "def slope(l):\n    return {}\n\ndef dy_db(l, A, b, y, s, d):\n    return slope(l)\n"
    assert sketched(helped.format("l + 1")) != sketched(helped.format("l * 2"))


@pytest.mark.parametrize("source", ["x = 1", "def other(): pass", "", "dy_db = 1", "x = " + "-" * 500 + "1"])
def test_a_file_without_the_functions_has_that_of_nothing(source):
    assert sketched(source) == sketched("pass")


def test_a_function_without_a_name_of_its_own_is_found_by_the_one_it_was_given():
    one = "dy_db = lambda l, A, b, y, s, d: A[l] + {}\n"
    assert sketched(one.format(1)) not in (sketched(one.format(2)), sketched("pass"))


@pytest.mark.parametrize("kept", ["o.a = l", "import a"])
def test_what_is_set_and_imported_counts_by_its_name(kept):
    one = f"def dy_db(l, A, b, y, s, d):\n    o = y\n    o.q = 1\n    {kept}\n    return A[l]\n"
    assert sketched(one) != sketched(one.replace(kept, kept.replace(".a", ".z").replace(" a", " z")))


def test_a_file_with_more_names_and_constants_than_fit_a_byte_has_one():
    many = "\n".join(f"name_{n} = {n} + 0.5\ndef used_{n}(): return {n} + 0.25" for n in range(600))
    body = " + ".join(f"used_{n}() + {n}.125" for n in range(600))
    source = f"{many}\ndef dy_db(l, A, b, y, s, d): return {body}\n"
    assert sketched(source) not in (sketched(source.replace("599.125", "1.75")), sketched("pass"))
    assert len(sketched(source)) == 2 * sketch.SKETCH_BYTES


def test_the_same_files_are_told_first_then_those_that_differ_in_names():
    one, other = sketched(RIGHT), sketched("def dy_db(l, A, b, y, s, d):\n    return [[1]]\n")
    found = likeness.alike(in_order([("a", "1", one), ("b", "1", one), ("c", "2", one), ("d", "3", other)]))
    assert Alike("the same file", 2, ("a", "b")) in found
    assert Alike("the same but for names, comments and layout", 3, ("a", "b", "c")) in found
    assert len(found) == 2


def test_nearly_the_same_is_told_with_how_alike():
    near = RIGHT.replace("np.outer", "np.dot")
    assert near != RIGHT
    [pair] = likeness.alike(in_order([("a", "1", sketched(RIGHT)), ("b", "2", sketched(near))]))
    assert pair.how.endswith("% alike, names apart")
    assert pair.students == ("a", "b")


def test_a_course_of_copies_names_a_few():
    found = likeness.alike(in_order([(str(n), "1", sketched(RIGHT)) for n in range(1000)]))
    assert found[0].files == 1000
    assert len(found[0].students) == likeness.MOST_NAMED


def test_it_is_exactly_alike_to_itself_and_files_without_functions_are_alike():
    one = sketched(RIGHT)
    assert likeness.shared(one, one) == 1
    nothing = sketched("x = 1")
    assert likeness.shared(nothing, nothing) == 1
