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
extras=
if [ "${1:-}" = export ]; then # what speaks to a platform's server is installed with the first use of it
    for argument in "$@"; do case $argument in --at | --at=*) extras=canvas,moodle,lti ;; esac; done
elif [ "${1:-}" = submit ] || [ "${1:-}" = batch ]; then
    for argument in "$@"; do case $argument in --server | --server=*) extras=client ;; esac; done
else
    case ${1:-} in serve | worker | backup | restore) extras=server ;; esac
fi
"$root/.ci/environment" "$extras"
exec "$root/.venv/bin/python" -I -m grader "$@" # -I: no file of the caller's takes the place of a module
