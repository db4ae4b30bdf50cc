"""What a grader, its stem and its zygotes say to each other, over sockets of theirs that no student's code ever holds.

    grader to stem      PLAIN, WITH_LIBRARY or WITH_SCIPY and the wanted layers, with two descriptors, for each zygote;
                        with none, to have it get ready for such a one
    zygote to grader    which layers stand, once, as JSON with the zygote's pidfd; then of each child STARTED with its
                        pidfd, and an ENDING
    grader to zygote    START with three descriptors, for each child

The descriptors of a zygote are its end of the channel, and what it complains to; those of START are a child's ends:
request, response, output. It may be sent ahead: the zygote comes to it when the child before has ended.
"""

from __future__ import annotations

import struct

PLAIN, WITH_LIBRARY, WITH_SCIPY = b"numpy", b"library", b"scipy"
KINDS = (PLAIN, WITH_LIBRARY, WITH_SCIPY)  # each has all that those before it have
START, STARTED = b"start", b"started"
ENDING = struct.Struct("<id")  # exit status, negative for a signal; seconds of CPU
LONGEST_MESSAGE = 4096
LACKS_LIBRARY, LACKS_SCIPY = 75, 76  # exit statuses of a child that imports what only another kind of zygote has
RICHER = {LACKS_LIBRARY: WITH_LIBRARY, LACKS_SCIPY: WITH_SCIPY}
