#!/bin/sh
# All tests, with the environment made on first use. Arguments go to pytest; without any, each core has two workers, of
# eight at most, which get whole files, for the tests of one share what it makes.
set -eu
root=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd -P)
"$root/.ci/environment" test
cd "$root"
[ $# -gt 0 ] || set -- -n auto --maxprocesses 8 --dist loadfile
exec .venv/bin/python -m pytest "$@"
