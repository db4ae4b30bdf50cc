"""Platforms on loopback, which answer as the real ones do, and refuse what those refuse.

They are written from the platforms' own sources and specifications, not from what the grader sends.
"""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Request:
    method: str
    url: str
    headers: dict[str, str]
    body: str

    @property
    def path(self):
        return urlsplit(self.url).path

    @property
    def query(self):
        return parse_qsl(urlsplit(self.url).query, keep_blank_values=True)

    @property
    def form(self):
        return parse_qsl(self.body, keep_blank_values=True)


@dataclass(frozen=True)
class Answer:
    status: int = 200
    body: object = None
    headers: dict[str, str] = field(default_factory=dict)
    media_type: str = "application/json"

    def encoded(self):
        text = self.body if isinstance(self.body, str) else "" if self.body is None else json.dumps(self.body)
        return text.encode()


LOST = "the answer is lost"  # a trouble: what was asked is done, and the connection breaks
REFUSED = "nothing is done"  # a trouble: the connection breaks before


class Platform:
    """A server with a log of what it was asked, and troubles that befall the next requests that read, or that write.

    A trouble is an answer, LOST or REFUSED; a function of the request that gives one of these; or None.
    """

    def __init__(self):
        self.log: list[Request] = []
        self.troubles: dict[str, list[object]] = {"read": [], "write": []}
        self.lock = threading.Lock()

    def answer(self, request: Request) -> Answer:
        raise NotImplementedError

    def writes(self, request: Request) -> bool:
        """Whether it is to change a grade."""
        raise NotImplementedError

    def get_on(self):
        """Do what is waiting to be done, whether somebody asks after it or not."""

    def written(self):
        """The requests that were to change grades."""
        return [request for request in self.log if self.writes(request)]

    @contextmanager
    def running(self):
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.base = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


def _handler(platform):
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def _answer(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            request = Request(self.command, self.path, dict(self.headers), body)
            with platform.lock:
                platform.log.append(request)
                troubles = platform.troubles["write" if platform.writes(request) else "read"]
                trouble = troubles.pop(0) if troubles else None
                if callable(trouble):
                    trouble = trouble(request)
                if trouble == REFUSED:
                    return
                answer = trouble if isinstance(trouble, Answer) else platform.answer(request)
                if trouble == LOST:
                    return
            data = answer.encoded()
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.media_type)
            self.send_header("Content-Length", str(len(data)))
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = _answer  # noqa: N815 the library's names

    return Handler
