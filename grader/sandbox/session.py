"""A submission's place behind the walls: one child after another, each asked for as long as it lives.

It knows neither frames nor walls: a backend hands it a way to begin a `Child`, `exchange` talks with that.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from grader.sandbox.exchange import Conversation, Fate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from grader.sandbox.exchange import Child, Exchange, Request
    from grader.values import Limits


class Session:
    """One submission's place behind the walls, with a child in it while there is something to ask.

    The same child is asked again and again, and remembers, until it dies or is sent away; the next is a fresh one.
    """

    def __init__(self, source: bytes, begin: Callable[[], AbstractContextManager[Child]]) -> None:
        self._source, self._begin = source, begin
        self._talk: Conversation | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.end()

    def ask(self, requests: Sequence[Request], limits: Limits) -> Exchange:
        """Put these to the child, until done or dead.

        A fresh child is held to the memory and the processor time of the limits it is begun with. Raises GraderFault
        when there is no child to be had, or it fails before the source is loaded.
        """
        with self._stack.pop_all() as stack:
            if self._talk is None:
                child = stack.enter_context(self._begin())
                stack.callback(child.kill)
                self._talk = Conversation(child, self._source, limits)
            talk, self._talk = self._talk, None
            exchange = talk.ask(requests, limits)
            if exchange.fate is Fate.DONE and exchange.is_loaded:
                self._talk, self._stack = talk, stack.pop_all()
        return exchange

    def end(self) -> None:
        """Send the child away, whatever it is at."""
        self._talk = None
        self._stack.close()
