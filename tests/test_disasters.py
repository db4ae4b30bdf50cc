"""Full disks, a database restarted, a server killed or upgraded: nothing is lost, half kept or done twice."""

from __future__ import annotations

import resource
import shutil
import socket
import time
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import databases
import httpx
import pytest
from conftest import ROOT
from served import eventually, kept, ran, served_at, serving
from sqlalchemy import create_engine, func, select, text
from sqlalchemy.exc import OperationalError
from test_service_work import RIGHT, RUBRIC, Course

from grader import sandbox as sandboxes
from grader.service import desk
from grader.store import database, schema
from grader.store.database import reading, writing

SLOW = b"import time\ntime.sleep(%g)\n" + RIGHT


def files_kept(url):
    engine = database.connect(url)
    with reading(engine) as db:
        count = db.execute(select(func.count()).select_from(schema.blob)).scalar_one()
    engine.dispose()
    return count


# A full disk.


@contextmanager
def full(url, process):
    """No room for the database of a service: PostgreSQL says so itself, and no file of SQLite's may grow."""
    if url.startswith("sqlite"):
        pids = [process.pid, *children(process.pid)]
        limits = {pid: resource.prlimit(pid, resource.RLIMIT_FSIZE) for pid in pids}
        for pid, (_, hard) in limits.items():
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, hard))
        yield
        for pid, limit in limits.items():
            resource.prlimit(pid, resource.RLIMIT_FSIZE, limit)
        return
    server = create_engine(url.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT")
    with server.connect() as db:
        db.execute(text(
            "CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$"
        ))  # fmt: skip
        for table in ("blob", "grading_run"):
            db.execute(text(f"CREATE TRIGGER no_room BEFORE INSERT ON {table} EXECUTE FUNCTION no_room()"))
        yield
        db.execute(text("DROP FUNCTION no_room CASCADE"))
    server.dispose()


def children(pid):
    return [
        int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()
    ]


@pytest.mark.parametrize("kind", databases.KINDS)
def test_a_full_disk_is_told_and_what_is_sent_again_when_there_is_room_is_taken(kind, tmp_path):
    with databases.url_of(kind, tmp_path) as url, serving(tmp_path, "--database", url) as (process, link):
        base, path, headers = served_at(url, link)
        with httpx.Client(headers={**headers, "Idempotency-Key": "the same one"}, timeout=60) as client:
            with full(url, process):
                answer = client.post(path, files={"file": ("x.py", RIGHT)})
                assert (answer.status_code, "its disk is full" in answer.json()["detail"]) == (503, True), answer.text
                assert answer.headers["Retry-After"] == "5"
                assert (kept(url), files_kept(url)) == (({}, []), 0)
                assert client.get(f"{base}/api/v1/courses").status_code == 200
            sent = [client.post(path, files={"file": ("x.py", RIGHT)}) for _ in range(2)]
            assert {answer.status_code for answer in sent} == {202}
            eventually(lambda: kept(url) == ({sent[0].json()["id"]: "graded"}, [sent[1].json()["id"]]))


@pytest.mark.parametrize("kind", databases.KINDS)
def test_a_grade_that_finds_no_room_is_written_when_there_is_some(kind, tmp_path):
    with databases.url_of(kind, tmp_path) as url, serving(tmp_path, "--database", url) as (process, link):
        _, path, headers = served_at(url, link)
        one = httpx.post(path, files={"file": ("x.py", SLOW % 1)}, headers=headers).json()["id"]
        eventually(lambda: kept(url)[0] == {one: "grading"})
        with full(url, process):
            time.sleep(3)  # until it is graded, and could not be written
            assert kept(url) == ({one: "grading"}, [])
        eventually(lambda: kept(url) == ({one: "graded"}, [one]))


@pytest.mark.parametrize("kind", databases.KINDS)
def test_a_grade_that_could_not_be_written_for_long_is_made_again(kind, tmp_path, monkeypatch):
    """Its worker lives, and has it still: it must not keep it for ever."""
    monkeypatch.setenv("GRADER_HOME", str(tmp_path))
    monkeypatch.setattr(desk, "PAUSES", [0.01])
    with databases.opened(kind, tmp_path) as engine, closing(sandboxes.start(sandboxes.wanted(None))) as behind:
        course = Course(engine)
        one = course.hand_in(RIGHT)
        with refusing(engine), pytest.raises(OperationalError):
            desk.grade_next(engine, "w", behind)
        assert course.state(one).state == "grading"
        assert desk.grade_next(engine, "w", behind)
        assert (course.state(one).state, course.state(one).tries, course.runs()) == ("graded", 0, [one.id])


@contextmanager
def refusing(engine):
    """Gradings cannot be written; all else can."""
    if engine.dialect.name == "postgresql":
        with full(engine.url.render_as_string(hide_password=False), None):
            yield
        return
    with writing(engine) as db:
        db.execute(text("CREATE TRIGGER refusing BEFORE INSERT ON grading_run BEGIN SELECT no_such_function(); END"))
    yield
    with writing(engine) as db:
        db.execute(text("DROP TRIGGER refusing"))


def test_what_sqlite_says_of_a_full_disk_is_known(tmp_path):
    def fill(engine):
        with writing(engine) as db:
            db.execute(text("PRAGMA max_page_count = 1"))  # as few as it has
            db.execute(text("INSERT INTO blob VALUES ('x', zeroblob(1000000), '2026-10-10')"))

    with databases.opened("sqlite", tmp_path) as engine:
        with pytest.raises(OperationalError) as caught:
            fill(engine)
        assert database.is_full(caught.value)


# A database that is restarted.


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_database_that_is_restarted_loses_nothing(mode, tmp_path):
    with databases.server() as server, serving(tmp_path, "--database", server.url, "--jobs", "2") as (_, link):
        base, path, headers = served_at(server.url, link)
        with httpx.Client(headers=headers, timeout=60) as client:
            sent = [client.post(path, files={"file": (f"{n}.py", SLOW % 0.5)}).json()["id"] for n in range(8)]
            eventually(lambda: len(kept(server.url)[1]) >= 1)
            server.stop(mode)
            answer = client.post(path, files={"file": ("x.py", RIGHT)}, headers={"Idempotency-Key": "the same one"})
            assert (answer.status_code, "does not answer" in answer.json()["detail"]) == (503, True)
            assert client.get(f"{base}/healthz").status_code == 503
            time.sleep(1)
            server.start()
            answer = client.post(path, files={"file": ("x.py", RIGHT)}, headers={"Idempotency-Key": "the same one"})
            assert answer.status_code == 202
            sent.append(answer.json()["id"])
        eventually(lambda: kept(server.url) == (dict.fromkeys(sent, "graded"), sorted(sent)))


# A server that is killed, or upgraded.


@pytest.mark.parametrize("kind", databases.KINDS)
def test_what_was_being_sent_when_the_server_was_killed_was_never_there(kind, tmp_path):
    with databases.url_of(kind, tmp_path) as url:
        with serving(tmp_path, "--database", url) as (process, link):
            base, path, headers = served_at(url, link)
            request = httpx.Request("POST", path, files={"file": ("x.py", RIGHT)}, headers=headers)
            whole = request.read()
            lines = [f"{name}: {value}" for name, value in request.headers.items()]
            head = "\r\n".join([f"POST {urlsplit(path).path} HTTP/1.1", *lines, "", ""])
            with socket.create_connection((urlsplit(base).hostname, urlsplit(base).port)) as sending:
                sending.sendall(head.encode() + whole[: len(whole) // 2])
                time.sleep(0.5)
                process.kill()
                process.wait()
        assert (kept(url), files_kept(url)) == (({}, []), 0)
        with serving(tmp_path, "--database", url) as (_, link):
            _, path, headers = served_at(url, link)
            sent = httpx.post(path, files={"file": ("x.py", RIGHT)}, headers=headers).json()["id"]
            eventually(lambda: kept(url) == ({sent: "graded"}, [sent]))


MIGRATION = """
import sqlalchemy as sa
from alembic import op

revision, down_revision = "9000", "{before}"


def upgrade():
    op.add_column("submission", sa.Column("room", sa.Text(), nullable=True))


def downgrade():
    op.drop_column("submission", "room")
"""


@pytest.fixture(scope="module")
def later(tmp_path_factory):
    """The grader of a later day, whose tables are others."""
    folder = tmp_path_factory.mktemp("later")
    for name in ("grader", "rubrics"):
        shutil.copytree(ROOT / name, folder / name)  # with what was compiled of it
    migration = folder / "grader" / "store" / "migrations" / "versions" / "9000_later.py"
    migration.write_text(MIGRATION.format(before=database.latest()))
    return folder


@pytest.mark.parametrize("kind", databases.KINDS)
def test_what_waited_when_the_grader_was_upgraded_is_graded_by_the_new_one(kind, tmp_path, later):
    with databases.url_of(kind, tmp_path) as url:
        with serving(tmp_path, "--database", url, "--jobs", "0") as (_, link):
            _, path, headers = served_at(url, link)
            sent = [httpx.post(path, files={"file": ("x.py", RIGHT)}, headers=headers).json()["id"] for _ in range(3)]
        code, _, told = ran(tmp_path, "worker", "--database", url, source=later)  # which does not migrate
        assert (code, "it is of an earlier grader" in told) == (3, True), told
        with serving(tmp_path, "--database", url, source=later):
            eventually(lambda: kept(url) == (dict.fromkeys(sent, "graded"), sorted(sent)))
        for command in (("serve", "--port", "0"), ("backup", tmp_path / "after.backup")):
            code, _, told = ran(tmp_path, *command, "--database", url)
            assert (code, "9000" in told) == (3, True), told


def test_a_backup_of_before_an_upgrade_goes_by_way_of_the_grader_of_then(tmp_path, later):
    (tmp_path / "other").mkdir()
    with databases.opened("sqlite", tmp_path) as engine:
        one = Course(engine, RUBRIC).hand_in(RIGHT).public
        assert ran(tmp_path, "backup", tmp_path / "before.backup", "--database", engine.url)[0] == 0
    with databases.url_of("sqlite", tmp_path / "other") as url:
        restore = ("restore", tmp_path / "before.backup", "--database", url)
        code, _, told = ran(tmp_path, *restore, source=later)
        assert (code, "restore it with that grader" in told) == (2, True), told
        assert ran(tmp_path, *restore)[0] == 0
        with serving(tmp_path, "--database", url, link=False, source=later):
            eventually(lambda: kept(url) == ({one: "graded"}, [one]))
