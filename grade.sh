#!/bin/sh
# grade ARGS, with the environment made on first use.
set -eu
self=$0
while [ -L "$self" ]; do # a link to this script finds its way home
    link=$(readlink "$self")
    case $link in
        /*) self=$link ;;
        *) self=$(dirname -- "$self")/$link ;;
    esac
done
root=$(CDPATH= cd -- "$(dirname -- "$self")" && pwd)
"$root/.ci/environment"
exec "$root/.venv/bin/python" -I -m grader "$@" # -I: no file of the caller's takes the place of a module
