#!/usr/bin/env bash
# Run once by Gradescope when it builds the autograder's image: makes the grader's environment, and proves its walls.
set -euo pipefail
autograder=${AUTOGRADER:-/autograder} # another place only to try this out
cd "$autograder/source/grader"

if ! python3 -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && ! command -v uv >/dev/null; then
    apt-get update -qq
    apt-get install -qq -y python3 python3-venv python3-pip
    # an image with an older Python: uv brings one of its own
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || pip3 install --quiet uv
fi

./grade.sh --version
./grade.sh doctor || echo "The walls cannot be had here; see README.md in docs/gradescope before you go on."
