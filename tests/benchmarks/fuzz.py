"""The decoder of what a child sends, against mutated streams of frames.

    .venv/bin/python tests/benchmarks/fuzz.py [--examples N]

An exception other than the designed one ends it.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent.parent))
from hostile import test_decoder as decoder


def main() -> None:
    parser = ArgumentParser()
    parser.add_argument("--examples", type=int, default=100_000)
    examples = parser.parse_args().examples
    seen: Counter[str] = Counter()

    @settings(max_examples=examples, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(decoder.streams, decoder.changes, st.integers(1, 4096))
    def fuzz(stream: bytes, changes: list[tuple[str, int, bytes]], chunk: int) -> None:
        decoder.take(stream, changes, chunk)
        seen["streams"] += 1
        seen["changes"] += len(changes)

    fuzz()
    print(f"{seen['streams']} streams, {seen['changes']} mutations: frames, refusals and outcomes, no other exception")


if __name__ == "__main__":
    main()
