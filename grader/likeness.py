"""Which files are alike: an aid for whoever reads them, never a verdict. Pure.

A sketch, made in the child, is a digest of the functions' normalised syntax and, behind it, the least hash in each of
some bins, in hexadecimal; two files share about as many bins as they share of what they are made of. Sketches come in
an order that puts what may be alike side by side, so that a course of any size is gone through in little memory.
"""

from __future__ import annotations

from itertools import combinations, groupby, islice
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from grader.sandbox.sketch import BINS, DIGEST_DIGITS, HASH_DIGITS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    Sketched = tuple[str, str, str]  # student, digest of the file, sketch

ALIKE = 0.9  # of the bins
BAND = 4  # bins in a row that have to be the same for two files to be compared at all
BANDS = tuple(
    slice(DIGEST_DIGITS + n * HASH_DIGITS, DIGEST_DIGITS + (n + BAND) * HASH_DIGITS) for n in range(0, BINS, BAND)
)
MOST_COMPARED = 50  # files with the same band
MOST_GROUPS, MOST_NAMED = 100, 12
_EMPTY = "f" * HASH_DIGITS  # of a bin


class Alike(NamedTuple):
    """Files that are alike: in what way, how many they are, and some of the students."""

    how: str
    files: int
    students: tuple[str, ...]


def alike(ordered: Callable[[slice], Iterable[Sketched]]) -> list[Alike]:
    """What an instructor may want to read. `ordered` has sketches by a part of them, then by all of it, by file."""
    return [*islice(_identical(ordered(slice(0, None))), MOST_GROUPS), *_nearly(ordered)]


def _identical(sketches: Iterable[Sketched]) -> Iterator[Alike]:
    for _, of_sketch in groupby(sketches, key=itemgetter(2)):
        files = [_Members(of_file) for _, of_file in groupby(of_sketch, key=itemgetter(1))]
        for file in files:
            if file.size > 1:
                yield Alike("the same file", file.size, file.some)
        if len(files) > 1:
            some = tuple(islice((student for file in files for student in file.some), MOST_NAMED))
            yield Alike("the same but for names, comments and layout", sum(file.size for file in files), some)


class _Members:
    """Students counted, and some of them kept."""

    def __init__(self, members: Iterable[Sketched]) -> None:
        rest = iter(members)
        self.some = tuple(student for student, *_ in islice(rest, MOST_NAMED))
        self.size = len(self.some) + sum(1 for _ in rest)


def _nearly(ordered: Callable[[slice], Iterable[Sketched]]) -> list[Alike]:
    """Pairs of different sketches that share most bins, the most alike first."""
    found: dict[tuple[str, str], float] = {}
    for band in BANDS:
        for _, group in groupby(ordered(band), key=lambda sketched: sketched[2][band]):
            different = islice((next(same) for _, same in groupby(group, key=itemgetter(2))), MOST_COMPARED)
            for (one, _, first), (other, _, second) in combinations(different, 2):
                if (share := shared(first, second)) >= ALIKE and len(found) < 100 * MOST_GROUPS:
                    found[min(one, other), max(one, other)] = share
    best = sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))[:MOST_GROUPS]
    return [Alike(f"{share:.0%} alike, names apart", 2, pair) for pair, share in best]


def shared(first: str, second: str) -> float:
    """Which part of the bins two sketches have in common, those that are empty in both left out."""
    bins = [
        (first[at : at + HASH_DIGITS], second[at : at + HASH_DIGITS])
        for at in range(DIGEST_DIGITS, len(first), HASH_DIGITS)
    ]
    filled = [(one, other) for one, other in bins if not one == other == _EMPTY]
    return sum(one == other for one, other in filled) / len(filled) if filled else 1.0
