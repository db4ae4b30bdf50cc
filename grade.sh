#!/bin/sh
# grade ARGS, with the environment made on first use.
set -eu
case $0 in
    */*) self=$0 ;;
    *) self=./$0 ;;
esac
while [ -L "$self" ]; do # a link to this script finds its way home
    link=$(readlink "$self")
    case $link in
        /*) self=$link ;;
        *) self=${self%/*}/$link ;;
    esac
done
root=$(CDPATH= cd -- "${self%/*}" && pwd -P)
"$root/.ci/environment"
exec "$root/.venv/bin/python" -I -m grader "$@" # -I: no file of the caller's takes the place of a module
