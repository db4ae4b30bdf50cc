"""A sandbox whose child is a script: it stands at the byte contract, so the real conversation is exercised.

The script is a function of a `Stage`, the child's ends of the pipes, and runs in a thread.
"""

from __future__ import annotations

import contextlib
import os
import signal
from threading import Event, Thread

from grader.sandbox.exchange import Ending
from grader.sandbox.session import Session
from grader.sandbox.wire import Kind, encode, read_frame


class Died(Exception):
    """The script's process ends here."""


class Stage:
    """What a child can do: read, answer, print, and end."""

    def __init__(self, request, response, output, killed):
        self.ends = {"request": request, "response": response, "output": output}
        self._killed = killed
        self.nonce, self._sequence = 0, 0
        self.requests = []

    def read(self):
        kind = None
        while kind is not Kind.END:
            kind, self.nonce, payload = read_frame(self.ends["request"])
            if kind is Kind.REQUEST:
                self.requests.append(payload)

    def send(self, kind, payload=b""):
        self.raw(encode(kind, self._sequence, self.nonce, payload))
        self._sequence += 1

    def raw(self, data):
        with contextlib.suppress(BrokenPipeError):
            os.write(self.ends["response"], data)

    def print(self, data):
        with contextlib.suppress(BrokenPipeError):
            while data and not self._killed.is_set():
                data = data[os.write(self.ends["output"], data[: 2**16]) :]

    def close(self, end):
        os.close(self.ends.pop(end))  # once: its number may be another's by the time the script ends

    def hang(self):
        self._killed.wait(30)
        raise Died(-signal.SIGKILL)

    def end(self, status):
        raise Died(status)


class Actor:
    """The child that plays a script."""

    def __init__(self, script):
        (theirs_request, self.request), (self.response, theirs_response), (self.output, theirs_output) = (
            os.pipe(), os.pipe(), os.pipe(),
        )  # fmt: skip
        self._killed, self._ended = Event(), Event()
        self._ending = None
        self._stage = Stage(theirs_request, theirs_response, theirs_output, self._killed)
        self._thread = Thread(target=self._play, args=(script,))
        self._thread.start()

    def _play(self, script):
        try:
            script(self._stage)
            status = 0
        except Died as death:
            (status,) = death.args
        except (EOFError, OSError):
            status = 1
        self._ending = Ending(status, 0.0)
        for end in list(self._stage.ends):
            self._stage.close(end)
        self._ended.set()

    def kill(self):
        self._killed.set()

    def reap(self, seconds):
        self._ended.wait(seconds)
        return self._ending

    def close(self):
        self.kill()
        for descriptor in (self.request, self.response, self.output):
            os.close(descriptor)
        self._thread.join(10)


class Scripted:
    """The backend `scripted`: every submission is played by the same script."""

    name = "scripted"
    layers = ()

    def __init__(self, script):
        self._script = script

    def expect(self, source):
        pass

    def warm(self):
        pass

    def session(self, source):
        return Session(source, lambda: contextlib.closing(Actor(self._script)))

    def close(self):
        pass
