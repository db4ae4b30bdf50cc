"""A zygote of one's own, so that what an attack leaves in it shows in the control after it."""

from __future__ import annotations

from contextlib import closing

import pytest

from grader.sandbox import zygote
from hostile.attacks import zygotes_of


@pytest.fixture(scope="module")
def walls():
    with closing(zygote.start()) as backend:
        zygotes_of(backend)  # all of them, before any attack
        yield backend
