#!/bin/sh
# All tests, with the environment made on first use. Arguments go to pytest; without any, each core has a worker,
# which gets whole files, for the tests of one share what it makes.
set -eu
root=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd -P)
"$root/.ci/environment" test
cd "$root"
[ $# -gt 0 ] || set -- -n logical --maxprocesses 4 --dist loadfile
exec .venv/bin/python -m pytest "$@"
