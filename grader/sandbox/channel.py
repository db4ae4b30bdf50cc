"""What a grader and its zygote say to each other, over a socket of theirs that no student's code ever holds.

    grader to zygote    PLAIN or WITH_SCIPY, once; then START with three descriptors, for each submission
    zygote to grader    which layers stand, once, as JSON; then STARTED with the child's pidfd, and an ENDING

The descriptors of START are a child's ends: request, response, output.
"""

from __future__ import annotations

import struct

PLAIN, WITH_SCIPY = b"numpy", b"scipy"
START, STARTED = b"start", b"started"
ENDING = struct.Struct("<id")  # exit status, negative for a signal; seconds of CPU
LONGEST_MESSAGE = 4096
