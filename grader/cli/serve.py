"""`grade serve`: the grader as a service for a course, in one command."""

from __future__ import annotations

import socket
import sys
from contextlib import AbstractContextManager, closing, nullcontext
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from grader.cli.shared import ENDING, DatabaseOption, LogOption, SandboxOption, own_database, server_extra
from grader.errors import GraderFault, UsageError

if TYPE_CHECKING:
    from grader.sandbox import Sandbox


def serve(
    database: DatabaseOption = None,
    host: Annotated[
        str, typer.Option("--host", envvar="GRADER_HOST", help="The address to listen at.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", envvar="GRADER_PORT", min=0, max=65535, help="The port to listen at.")
    ] = 8000,
    workers: Annotated[
        int | None,
        typer.Option(
            "--jobs", "--workers", envvar="GRADER_JOBS", min=0, max=256,
            help="How many are graded at once (default: a core each); 0: by grade worker alone, elsewhere.",
        ),
    ] = None,
    sandbox: SandboxOption = None,
    link: Annotated[bool, typer.Option("--link", help="Print a new link for the instructor, also later on.")] = False,
    public_url: Annotated[
        str,
        typer.Option(
            "--public-url", metavar="URL", envvar="GRADER_PUBLIC_URL",
            help="Where browsers find it: https://… behind a proxy with TLS.",
        ),
    ] = "",
    trusted_proxy: Annotated[
        list[str] | None,
        typer.Option(
            "--trusted-proxy", metavar="ADDRESS", envvar="GRADER_TRUSTED_PROXY",
            help="A proxy that is believed when it tells who asks; may be repeated.",
        ),
    ] = None,
    log: LogOption = False,
) -> None:  # fmt: skip
    """Serve a course: students hand in with a browser and see their report, instructors see the class."""
    with server_extra("serve"):
        from grader.service import app as apps
        from grader.service import begin, logs
        from grader.service.crew import Crew
        from grader.store import database as databases
    from grader import sandbox as sandboxes
    from grader import worker

    wanted = sandboxes.wanted(sandbox)
    _refuse_address(public_url)
    if log:
        logs.to_stderr()
    engine = databases.connect(database or own_database())
    databases.migrate(engine)
    with databases.writing(engine) as db:
        is_first = begin.first(db, datetime.now(UTC))
        token = begin.token_for_instructor(db, datetime.now(UTC)) if link or is_first else None
    listening = _bound(host, port)
    count = worker.cores() if workers is None else workers
    with _walls(wanted, count) as proved, _walls(wanted, count) as walls, Crew(engine, count, walls, log=log) as crew:
        app = apps.create(
            engine, crew.wake, lambda: crew.alive, walls=proved, public_url=public_url,
            begun=partial(_tell, listening, public_url, token),
        )  # fmt: skip
        try:
            _listen(app, listening, trusted_proxy or [])
        finally:
            print(ENDING, file=sys.stderr)
    engine.dispose()


def _walls(wanted: str, workers: int) -> AbstractContextManager[Sandbox | None]:
    """Walls to grade behind, where there are workers. Raises GraderFault where this machine has none."""
    from grader import sandbox as sandboxes

    return closing(sandboxes.start(wanted)) if workers else nullcontext()


def _refuse_address(url: str) -> None:
    """Raise UsageError for what no browser could be led to."""
    parts = urlsplit(url)
    if url and (parts.scheme not in ("http", "https") or not parts.netloc or parts.path.strip("/") or parts.query):
        raise UsageError(
            f"--public-url: found {url!r}; expected such as https://grader.example.edu, without a path; correct it"
        )


def _tell(listening: socket.socket, public_url: str, token: str | None) -> None:
    """Where it is: when a signal ends it in good order, and not before."""
    host, port = listening.getsockname()[:2]
    here = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    print(f"grade: serving at {here}; end it with Ctrl-C", file=sys.stderr)
    outside = public_url.rstrip("/") or here
    if token:
        print(f"{outside}/enter?token={token}", flush=True)
        print("grade: the link above signs the instructor in, once, within a day", file=sys.stderr)
    else:
        print(f"{outside}/", flush=True)
        print("grade: --link prints a link that signs the instructor in", file=sys.stderr)


def _listen(app: object, listening: socket.socket, proxies: list[str]) -> None:
    import uvicorn

    config = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, proxy_headers=bool(proxies),  # type: ignore[arg-type] # an app of FastAPI's
        forwarded_allow_ips=proxies, timeout_graceful_shutdown=10,
    )  # fmt: skip
    listening.listen()  # whoever follows the link at once is kept waiting, not turned away
    uvicorn.Server(config).run([listening])


def _bound(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listening = socket.create_server((host, port), family=family)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise GraderFault(
            f"{host}:{port}: nobody can listen there now ({why}); expected an address of this machine and a port that "
            "is free; name others with --host and --port"
        ) from None
    # what is accepted here has it too: an answer's second packet need not wait 40 ms for word of the first
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening
