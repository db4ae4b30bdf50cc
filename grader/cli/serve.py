"""`grade serve`: the grader as a service for a course, in one command."""

from __future__ import annotations

import socket
import sys
from datetime import UTC, datetime
from typing import Annotated

import typer

from grader.cli.shared import ENDING, DatabaseOption, SandboxOption, own_database, server_extra
from grader.errors import GraderFault


def serve(
    database: DatabaseOption = None,
    host: Annotated[str, typer.Option("--host", help="The address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="The port to listen at.")] = 8000,
    workers: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            "--workers",
            min=0,
            max=256,
            help="How many are graded at once (default: a core each); 0: by grade worker alone, elsewhere.",
        ),
    ] = None,
    sandbox: SandboxOption = None,
    link: Annotated[bool, typer.Option("--link", help="Print a new link for the instructor, also later on.")] = False,
    behind_tls: Annotated[
        bool, typer.Option("--behind-tls", help="Browsers come by https, through a proxy on this machine.")
    ] = False,
) -> None:
    """Serve a course: students hand in with a browser and see their report, instructors see the class."""
    with server_extra("serve"):
        from grader.service import app as apps
        from grader.service import begin
        from grader.service.crew import Crew
        from grader.store import database as databases
    from grader import sandbox as sandboxes
    from grader import worker

    wanted = sandboxes.wanted(sandbox)
    engine = databases.connect(database or own_database())
    databases.migrate(engine)
    with databases.writing(engine) as db:
        is_first = begin.first(db, datetime.now(UTC))
        token = begin.token_for_instructor(db, datetime.now(UTC)) if link or is_first else None
    count = worker.cores() if workers is None else workers
    if count:
        sandboxes.start(wanted).close()  # where there are no walls nothing is graded
    with Crew(engine, count, wanted) as crew:
        app = apps.create(engine, crew.wake, lambda: crew.alive, is_secure=behind_tls)
        try:
            _listen(app, host, port, token, behind_tls=behind_tls)
        finally:
            print(ENDING, file=sys.stderr)
    engine.dispose()


def _listen(app: object, host: str, port: int, token: str | None, *, behind_tls: bool) -> None:
    import uvicorn

    config = uvicorn.Config(
        app, host, port, log_level="warning", access_log=False, server_header=False, proxy_headers=behind_tls,  # type: ignore[arg-type] # an app of FastAPI's
        forwarded_allow_ips="127.0.0.1", timeout_graceful_shutdown=10,
    )  # fmt: skip
    listening = _bound(host, port)
    listening.listen()  # whoever follows the link at once is kept waiting, not turned away
    at = f"http://{host}:{listening.getsockname()[1]}"
    print(f"grade: serving at {at}; end it with Ctrl-C", file=sys.stderr)
    if token:
        print(f"{at}/enter?token={token}", flush=True)
        print("grade: the link above signs the instructor in, once, within a day", file=sys.stderr)
    else:
        print(f"{at}/", flush=True)
    uvicorn.Server(config).run([listening])


def _bound(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise GraderFault(
            f"{host}:{port}: nobody can listen there now ({why}); expected an address of this machine and a port that "
            "is free; name others with --host and --port"
        ) from None
