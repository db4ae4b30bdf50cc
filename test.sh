#!/bin/sh
# All tests, with the environment made on first use. Arguments go to pytest.
set -eu
root=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd -P)
"$root/.ci/environment" test
cd "$root"
exec .venv/bin/python -m pytest "$@"
