#!/bin/sh
# grade ARGS, with the environment made on first use.
set -eu
root=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
"$root/.ci/environment"
exec "$root/.venv/bin/grade" "$@"
