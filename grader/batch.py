"""Many submissions: everybody's file graded, each once, and a folder of reports that survives any interruption.

What stands in the journal and is still true is not graded again. Nothing here knows how submissions are graded or
run, where the files came from, or how a class is shown.
"""

from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import chain
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, NamedTuple

from grader import assignments, closing, intake, listing, pool, roster, settings, worker
from grader import sandbox as sandboxes
from grader.errors import UsageError
from grader.journal import Folder, write
from grader.ledger import Ledger
from grader.listing import Spoilt, Unreadable
from grader.report import OriginReport, Report
from grader.values import LARGEST_FILE, Submission
from grader.worker import Job, cores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from grader.assignments import Assignment
    from grader.closing import Summary
    from grader.intake import Layout
    from grader.ledger import Entry
    from grader.listing import Listing
    from grader.lms import Piece
    from grader.pool import Start
    from grader.rubric import Rubric
    from grader.worker import Result, Setting

    Watch = Callable[["Progress"], None]


SEEDS = 32  # different ones in a batch: what is drawn, answered and packed for one is so for a thirtieth of a class
CLUSTER_WORKERS = 64  # to keep busy, where nobody says how many there are


class Progress(NamedTuple):
    """How far a batch has come: attempts that have a report, all there are, those graded by this run, and faults."""

    done: int
    total: int
    graded: int
    faults: int


class Plan(NamedTuple):
    """What is graded, how, and by how many workers.

    `elsewhere` begins an executor that keeps reports itself, and is asked for every one of them each time.
    """

    source: Path
    out: Path
    rubric: Rubric
    assignment: Assignment
    sandbox: str
    workers: int
    roster: Path | None = None
    cluster: str | None = None
    redo: bool = False
    elsewhere: Start | None = None

    @property
    def setting(self) -> Setting:
        return worker.setting(self.rubric, self.assignment, self.sandbox)


def default_workers(cluster: str | None) -> int:
    """As many as this process may use cores; a cluster's scheduler sees to its own, and is kept supplied."""
    return CLUSTER_WORKERS if cluster else cores()


def run(plan: Plan, watch: Watch = lambda _: None) -> Summary:
    """Grade what has no report that is still true, and leave the folder whole.

    Raises UsageError before anything is graded, GraderFault when it cannot go on; whatever has been graded
    until then, or until an interrupt, is kept.
    """
    if plan.elsewhere is None:
        sandboxes.start(plan.sandbox).close()  # whether there is one of this name, before anything else is done
    if plan.out.resolve() == plan.source.resolve():
        raise UsageError(
            f"{plan.out}: it is the source; expected another folder for what comes of it; name one with --out"
        )
    with ExitStack() as stack:
        files = stack.enter_context(listing.opened(plan.source, but=plan.out))
        ledger = stack.enter_context(Ledger())
        if plan.roster:
            ledger.expect(roster.read(plan.roster))
        layout = intake.layout_of(files)
        _take_in(plan, files, layout, ledger)
        folder = stack.enter_context(Folder(plan.out))
        work = _Work(plan, files, layout.platform, ledger, folder, _seeds(plan))
        _recall(work)
        kept = ledger.count()[1]
        _grade(work, watch)
        return closing.close(plan.rubric, ledger, folder, platform=layout.platform, kept=kept)


class _Work(NamedTuple):
    """Everything that grading needs at hand."""

    plan: Plan
    files: Listing
    platform: str | None
    ledger: Ledger
    folder: Folder
    seed: Callable[[str], int]


def _seeds(plan: Plan) -> Callable[[str], int]:
    """A few for this rubric, this assignment and this month: what students have printed of the networks grows old."""
    month = datetime.now(UTC).strftime("%Y-%m")
    return settings.seeds(SEEDS, f"{plan.rubric.sha256} {assignments.version(plan.assignment)} {month}")


# Who handed in what.


def _take_in(plan: Plan, files: Listing, layout: Layout, ledger: Ledger) -> None:
    for found in intake.placed(files, layout):
        ledger.add(found)
    if plan.roster:
        ledger.recognise()
    functions = assignments.functions(plan.assignment)
    all_count = plan.rubric.attempts.counts == "best"
    for student, attempt, attempts, pieces in ledger.attempts():
        if all_count or attempt == attempts:
            piece, note = pieces[0], None
            try:
                piece, note = intake.choose(pieces, files, functions)
                digest = _submission(files, piece).sha256
            except Spoilt as error:
                piece = piece._replace(file=piece.file._replace(refused=str(error)))
                digest = _submission(files, piece).sha256
            except Unreadable as error:  # now: it is not the student's doing, and may be mended
                n = ledger.enter(student, attempt, attempts, f"not read: {piece.file.path}", piece, note)
                ledger.failed(
                    n, f"its file {piece.file.path} cannot be read: {error}; mend that and run the batch again"
                )
                continue
            ledger.enter(student, attempt, attempts, digest, piece, note)
    if not ledger.count()[0]:
        why = next((f": {one.path}: {one.why}" for one in ledger.unplaced()), "")
        raise UsageError(
            f"{plan.source}: it has no submission{why}; expected <student>.py, <student>/<file>.py or a platform's "
            "download; name the folder or zip that has them"
        )


# What is known already.


def _recall(work: _Work) -> None:
    """Find the reports that are still true, and those of nobody who is here."""
    plan, folder, ledger = work.plan, work.folder, work.ledger
    setting = plan.setting
    for place, line in folder.lines():
        if (known := _parsed(line)) is None:
            if place.at == 0:
                raise UsageError(
                    f"{plan.out}: its reports.jsonl begins with what is no report; expected a folder that is new or an "
                    "earlier batch's; name another with --out, or put that file elsewhere"
                )
            ledger.leave_over(place)  # it is kept, apart from the others
            continue
        if known.assignment != plan.assignment.ID:
            raise UsageError(
                f"{plan.out}: it has reports of assignment {known.assignment!r}; expected a folder of its own for "
                f"{plan.assignment.ID!r}; name another with --out"
            )
        entry = _entry_of(known, ledger)
        if entry is None:
            ledger.leave_over(place)
        else:
            same = not (plan.redo or plan.elsewhere) and _is_of_the_same(known, entry, plan, setting)
            true = same and _is_described_so(known, _job(work, entry, Submission("", b"")))
            ledger.recall(entry.n, place, _said(known), true=true, again=same and not true)
    _recall_outdated(folder, ledger)
    for line in folder.kept_apart():
        if (known := _parsed(line)) and (entry := _entry_of(known, ledger)):
            ledger.compare(entry.n, _said(known))


def _recall_outdated(folder: Folder, ledger: Ledger) -> None:
    """Find what the last run could not make anew, to tell what has changed since."""
    for line in folder.outdated():
        if (known := _parsed(line)) and (entry := _entry_of(known, ledger)):
            ledger.remember(entry.n, line, _said(known))
        else:
            folder.set_aside(line)


def _entry_of(known: Report, ledger: Ledger) -> Entry | None:
    return ledger.find(known.student or "", known.origin.attempt if known.origin else 1)


def _parsed(line: bytes) -> Report | None:
    try:
        return Report.model_validate_json(line)
    except ValueError:
        return None  # not ours: it is left out of what is written anew


def _is_of_the_same(known: Report, entry: Entry, plan: Plan, setting: Setting) -> bool:
    """Whether to grade it now would give the same."""
    return (
        known.submission.sha256 == entry.sha256
        and known.rubric.sha256 == plan.rubric.sha256
        and known.assignment_version == setting.assignment_version
        and known.grader_version == setting.grader_version
        and known.sandbox.backend == plan.sandbox
        and known.sandbox.packages == sandboxes.packages()
    )


def _is_described_so(known: Report, job: Job) -> bool:
    """Whether it says of the file, and of whose it is, what would be said now."""
    submission = job.submission
    told = known.origin, known.student, known.submission.name, known.submission.submitted
    return told == (job.origin, submission.student, submission.name, submission.submitted)


def _said(known: Report) -> dict[str, Any]:
    """What is worth remembering of an earlier report."""
    plain = known.model_dump(mode="json")
    return {
        **{name: plain[name] for name in ("assignment_version", "grader_version", "seed", "points")},
        "rubric": known.rubric.sha256,
        "submission": known.submission.sha256,
        "submitted": plain["submission"]["submitted"],
        "sandbox": known.sandbox.backend,
        "packages": known.sandbox.packages_in_words,
    }


# What is to be graded.


def _grade(work: _Work, watch: Watch) -> None:
    """Each file once; then whoever handed in the same gets the same."""
    ledger, alone = work.ledger, work.plan.elsewhere is not None
    total, done, _ = ledger.count()
    graded = faults = 0
    watch(Progress(done, total, 0, 0))
    ledger.lead(each=alone)
    for result in _results(work):
        if result.fault is None:
            # the page first: whoever has a report has a page
            write(work.folder.page(ledger.student_of(result.n)), result.page)
            ledger.reported(result.n, work.folder.append(result.line))
            graded += 1
        else:
            faults += ledger.failed(result.n, result.fault, alone=alone)
        watch(Progress(done + graded, total, graded, faults))


def _results(work: _Work) -> Iterator[Result]:
    plan, packed = work.plan, work.plan.setting.packed()
    if plan.elsewhere is not None:
        return pool.conduct(plan.elsewhere, plan.workers, packed, _jobs(work))
    first = pool.conduct(pool.start(plan.cluster, plan.workers, packed), plan.workers, packed, _jobs(work))
    return chain(first, pool.conduct(pool.start(None, 1, packed), 1, packed, _jobs_of_the_same(work)))


def _jobs(work: _Work) -> Iterator[Job]:
    for entry in work.ledger.leaders():
        try:
            submission = _submission(work.files, entry.piece)
        except Unreadable as error:
            fault = f"its file can no longer be read: {error}; expected it to stay; run the batch again"
            work.ledger.failed(entry.n, fault)
            continue
        if submission.sha256 != entry.sha256:
            work.ledger.failed(entry.n, "its file was changed meanwhile; expected it to stay; run the batch again")
            continue
        yield _job(work, entry, submission)


def _jobs_of_the_same(work: _Work) -> Iterator[Job]:
    for entry, place in work.ledger.followers():
        yield _job(work, entry, Submission("", b""))._replace(same=work.folder.read(place))


def _submission(files: Listing, piece: Piece) -> Submission:
    """The file a student is graded for, or why it cannot be read. Raises Unreadable where that is not their doing."""
    if piece.file.fault:
        raise Unreadable(piece.file.fault)
    if piece.file.refused:
        return Submission(piece.name, b"", refused=piece.file.refused)
    return Submission(piece.name, files.read(piece.file.locator, LARGEST_FILE + 1))


def _job(work: _Work, entry: Entry, submission: Submission) -> Job:
    piece = entry.piece
    person, email, section = work.ledger.student(entry.student)
    origin = OriginReport(
        platform=work.platform,
        path=piece.file.path,
        key=piece.student,
        name=person,
        email=email,
        section=section,
        attempt=entry.attempt,
        attempts=entry.attempts,
        marked_late=piece.marked_late,
        group=piece.group,
        note=entry.note,
    )
    submitted = _submitted(work.plan, entry)
    seed = work.seed(entry.sha256)
    name = PurePath(piece.name).name
    return Job(entry.n, submission._replace(name=name, student=entry.student, submitted=submitted), seed, origin)


def _submitted(plan: Plan, entry: Entry) -> datetime | None:
    late = plan.rubric.late
    return intake.in_zone_of(late.deadline if late else None, entry.piece.submitted)
