"""A zygote of one's own, so that what an attack leaves in it shows in the control after it."""

from __future__ import annotations

from contextlib import closing

import pytest

from grader.sandbox import zygote
from hostile.attacks import RIGHT, control


@pytest.fixture(scope="module")
def walls():
    with closing(zygote.start()) as backend:
        control(backend, RIGHT + b"# scipy")  # else the first attack that names it gets a zygote that knows it
        yield backend
