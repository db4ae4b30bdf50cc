"""`grade export`: what a batch's grades would change in a gradebook; and the gradebook filled, or a file made."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grader.errors import GraderFault, UsageError, nearest
from grader.outcomes import clean

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from grader import making
    from grader.comparing import Change, Comparison, Order
    from grader.pushing import Outcome
    from grader.sending import Sending

SHOWN = 5  # students of one reason; --json has all


def export(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="What `grade batch` left.", show_default=False)],
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="PLATFORM",
            help="canvas, moodle, moodle-import, moodle-feedback, blackboard, brightspace, gradescope, openedx, "
            "oneroster, sakai, lti; csv, xlsx, html.",
            show_default=False,
        ),
    ],
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="The file to write.")] = None,
    template: Annotated[
        Path | None, typer.Option("--template", metavar="FILE", help="The gradebook to fill, as you downloaded it.")
    ] = None,
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="URL", help="The assignment's address: canvas, moodle and lti take grades there."),
    ] = None,
    column: Annotated[
        str | None, typer.Option("--column", metavar="NAME", help="The column: one that is there, or what to call it.")
    ] = None,
    matches: Annotated[
        Path | None,
        typer.Option("--matches", metavar="CSV", help="Who is who where only names tell: written, then read."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")] = False,
    force: Annotated[
        list[str] | None,
        typer.Option("--force", metavar="CLASS", help="Allow a class of change that is blocked; may be repeated."),
    ] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option("--keep", metavar="CLASS", help="Leave a class of change out; may be repeated."),
    ] = None,
    missing: Annotated[
        str | None, typer.Option("--missing", metavar="zero", help="Give who handed in nothing 0 points.")
    ] = None,
    comments: Annotated[
        bool, typer.Option("--comments", help="With --at: also what each student reads, where it has changed.")
    ] = False,
    criteria: Annotated[
        bool, typer.Option("--criteria", help="With --at: also the assignment's rubric on the platform.")
    ] = False,
    account: Annotated[
        Path | None,
        typer.Option("--account", metavar="FILE", help="With --at: your secrets, where the environment has none."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print every change as one JSON document.")] = False,
) -> None:
    """Put a batch's grades into a gradebook: on its server, into one you downloaded, or into a file made of them."""
    from grader.comparing import Order  # here and below: no other command has a use for these

    given = {
        "--out": out, "--template": template, "--column": column, "--matches": matches, "--comments": comments,
        "--criteria": criteria, "--account": account,
    }  # fmt: skip
    _refuse_useless(given, at is not None, template is not None)
    if missing not in (None, "zero"):
        raise UsageError(
            f"--missing: found {missing!r}; expected zero; leave it out, and who is missing stays as they are"
        )
    order = Order(folder, to, matches, _kinds("--force", force), _kinds("--keep", keep), missing == "zero")
    if at is not None:
        _push(order, at, account, comments=comments, criteria=criteria, dry_run=dry_run, as_json=as_json)
        return
    if out is None and not dry_run:
        raise UsageError("--out: it is missing; expected the file to write, or --dry-run; name one of them")
    target = None if dry_run else out
    if template is not None:
        _fill(order, template, column, target, as_json=as_json)
    else:
        _make(order, column, target, as_json=as_json)


def _kinds(option: str, kinds: Sequence[str] | None) -> frozenset[str]:
    from grader.comparing import BLOCKING

    for kind in sorted(set(kinds or ()) - set(BLOCKING)):
        near = nearest(kind, list(BLOCKING))
        raise UsageError(
            f"{option} {kind}: there is nothing of this name that is blocked; expected one of: {', '.join(BLOCKING)}"
            + (f"; did you mean {near}?" if near else "")
        )
    return frozenset(kinds or ())


def _refuse_useless(given: Mapping[str, object], live: bool, filled: bool) -> None:
    """An option that would do nothing is a misunderstanding: better told than passed over."""
    useless = {
        "--out": live, "--template": live, "--column": live, "--matches": not (live or filled), "--comments": not live,
        "--criteria": not live, "--account": not live,
    }  # fmt: skip
    for option, idle in useless.items():
        if given[option] and idle:
            why = "--at, which is the gradebook's column on its server" if live else "a file"
            raise UsageError(f"{option}: it has no use together with {why}; expected one or the other; leave it out")


def _fill(order: Order, template: Path, column: str | None, target: Path | None, *, as_json: bool) -> None:
    """A gradebook that was downloaded."""
    from grader import filling
    from grader.cli import changes
    from grader.comparing import LEFT_OUT, compared

    opened = filling.Template(order.platform, template, column)
    with compared(order, opened) as comparison:
        print(changes.document(comparison) if as_json else changes.table(comparison))
        changes.warn_of_formulas(comparison.changes())
        _ask_who_is_who(comparison)
        if target is not None:
            written = filling.fill(opened, comparison, target)
            left_out = sum(change.kind in LEFT_OUT for change in comparison.changes())
            told = f"{written} {'cell' if written == 1 else 'cells'} filled"
            print(f"grade: {target}: {told}" + (f", {left_out} students left out" if left_out else ""), file=sys.stderr)


def _ask_who_is_who(comparison: Comparison) -> None:
    from grader import confirmations

    if matches := comparison.order.matches:
        waiting = confirmations.write(matches, comparison.suggestions())
        told = f"{waiting} may be who they seem; write yes or no as confirmed, and run this again"
        print(f"grade: {matches}: {told if waiting else 'no name waits for an answer'}", file=sys.stderr)


def _push(
    order: Order, at: str, file: Path | None, *, comments: bool, criteria: bool, dry_run: bool, as_json: bool
) -> None:
    """A gradebook on its server."""
    from grader import account, pushing, sending
    from grader.cli import changes
    from grader.comparing import compared

    live = sending.live(order.platform)
    with (
        sending.connected(order.platform, at, account.read(order.platform, live.ACCOUNT, file)) as remote,
        compared(order, sending.Column(remote)) as comparison,
    ):
        sendings = sending.prepared(comparison, remote, comments=comments, criteria=criteria)
        outcomes: list[Outcome] | None = None
        if not as_json:
            print(changes.table(comparison))
            _tell_of_extras(sendings, "to be sent")
        _ask_who_is_who(comparison)
        try:
            if not dry_run:
                comparison.refuse_blocked(f"--to {order.platform}")
                outcomes = []
                for outcome in _with_progress(pushing.push(comparison, remote, sendings, live.AT_ONCE), len(sendings)):
                    outcomes.append(outcome)
        finally:
            if as_json:
                print(changes.document(comparison, sendings, outcomes))
            if outcomes is not None:
                _tell(at, sendings, outcomes)
    if left := sum(one.left for one in outcomes or ()):
        raise GraderFault(
            f"{left} of {len(sendings)} grades are left; expected all to be written; see above, and run the same "
            "command again, which sends what is not there yet"
        )


def _tell_of_extras(sendings: Iterable[Sending], what: str) -> None:
    for name, count in _extras(sendings).items():
        if count:
            print(f"grade: {_counted(count, name)} {what}", file=sys.stderr)


def _counted(count: int, name: str) -> str:
    return f"{count} {name.removesuffix('s') if count == 1 else name}"


def _extras(sendings: Iterable[Sending]) -> dict[str, int]:
    scores = [sending.score for sending in sendings]
    return {
        "comments": sum(score.is_news for score in scores),
        "rubrics": sum(bool(score.criteria) for score in scores),
    }


def _with_progress(outcomes: Iterator[Outcome], expected: int) -> Iterator[Outcome]:
    """A count on stderr, where that is a terminal."""
    done = 0
    for outcome in outcomes:
        yield outcome
        done += outcome.state != "skipped" or outcome.left
        if expected and sys.stderr.isatty():
            print(f"\r{done} of {expected} ", end="" if done < expected else "\n", file=sys.stderr, flush=True)


def _tell(at: str, sendings: Sequence[Sending], outcomes: Sequence[Outcome]) -> None:
    """How many were written; who was not, and why, all who share a reason at once."""
    by_reason: dict[tuple[str, str], list[str]] = {}
    for one in outcomes:
        if one.left or one.state == "written":
            by_reason.setdefault((one.state, one.why), []).append(one.student)
    for (state, why), students in by_reason.items():
        if why:
            some = ", ".join(students[:SHOWN]) + (f" and {len(students) - SHOWN} more" if students[SHOWN:] else "")
            print(f"grade: {clean(some)}: {state}: {clean(why)}", file=sys.stderr)
    written = {one.student for one in outcomes if one.state == "written"}
    arrived = [sending for sending in sendings if sending.change.student in written]
    grades = sum(sending.change.written for sending in arrived)
    told = [_counted(grades, "grades")]
    told += [_counted(count, name) for name, count in _extras(arrived).items() if count]
    print(f"grade: {at}: {' and '.join(told)} written and read back", file=sys.stderr)


def _make(order: Order, column: str | None, target: Path | None, *, as_json: bool) -> None:
    """A file from nothing, where there is no gradebook to fill."""
    from grader import filling, making, pushes
    from grader.target import refuse_to_write, written

    source = making.Source(order.folder, order.platform, column, order.missing_zero)
    if source.platform not in making.names():
        filling.gradebook_of(source.platform, making.names())
        raise UsageError(
            f"--to {source.platform}: there is no template; expected the gradebook you downloaded; name it with "
            "--template"
        )
    is_logged = making.is_logged(source.platform)
    changes = list(making.changes(source)) if is_logged else []
    if is_logged:
        _show_made(source, changes, order.forced | order.kept, as_json=as_json, writes=target is not None)
    elif target is None:
        raise UsageError(f"--dry-run: {source.platform} is no platform's gradebook; expected --out; name the file")
    if target is not None:
        refuse_to_write(target, source.folder)
        with pushes.held(source.folder) if is_logged else nullcontext():
            with written(target) as file:
                count = making.make(source, file)
            if is_logged:
                making.note(source, changes)
        print(f"grade: {target}: {count} {'student' if count == 1 else 'students'}", file=sys.stderr)


def _show_made(
    source: making.Source, found: Sequence[Change], forced: frozenset[str], *, as_json: bool, writes: bool
) -> None:
    """What has changed since it was made last; refused where a grade would be lowered or is missing by our fault."""
    from grader.cli import changes
    from grader.comparing import BLOCKING, refuse_blocked

    changes.warn_of_formulas(found)
    blocked = sorted({change.kind for change in found} & set(BLOCKING) - forced)
    if as_json:
        print(changes.as_json({"platform": source.platform, "column": source.column, "blocked": blocked}, found))
    else:
        print("\n".join([*changes.listed(source.column or "", found), *changes.told_of(blocked)]))
    if writes:
        refuse_blocked(f"--to {source.platform}", blocked)
