"""`grade export`: what a batch's grades would change in a gradebook; and the gradebook filled, or a file made."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grader.errors import GraderFault, UsageError, nearest
from grader.outcomes import clean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from grader import making
    from grader.comparing import Change, Comparison, Order
    from grader.pushing import Outcome

SHOWN = 20  # grades that were not written; --json has all


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
    order = Order(folder, to, matches, _forced(force or ()), missing_zero=missing == "zero")
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


def _forced(kinds: Sequence[str]) -> frozenset[str]:
    from grader.comparing import BLOCKING

    for kind in sorted(set(kinds) - set(BLOCKING)):
        near = nearest(kind, list(BLOCKING))
        raise UsageError(
            f"--force {kind}: there is nothing of this name to allow; expected one of: {', '.join(BLOCKING)}"
            + (f"; did you mean {near}?" if near else "")
        )
    return frozenset(kinds)


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
    from grader import account, pushing
    from grader.cli import changes
    from grader.comparing import compared

    live = pushing.live(order.platform)
    with (
        closing(live.connect(at, account.read(order.platform, live.ACCOUNT, file))) as remote,
        compared(order, pushing.Column(remote)) as comparison,
    ):
        sendings = pushing.prepared(comparison, remote, comments=comments, criteria=criteria)
        if not as_json:
            print(changes.table(comparison))
        if comments:
            news = sum(sending.score.is_news for sending in sendings)
            print(f"grade: {news} {'comment' if news == 1 else 'comments'} to be sent", file=sys.stderr)
        _ask_who_is_who(comparison)
        if dry_run:
            if as_json:
                print(changes.document(comparison))
            return
        outcomes: list[Outcome] = []
        try:
            for outcome in pushing.push(comparison, remote, sendings, live.AT_ONCE):
                outcomes.append(outcome)
                _show_progress(outcomes, len(sendings))
        finally:
            if as_json:
                print(changes.document(comparison, outcomes))
            _tell(at, outcomes)
    _refuse_what_is_left(outcomes)


def _show_progress(outcomes: Sequence[Outcome], expected: int) -> None:
    if sys.stderr.isatty() and outcomes[-1].state != "skipped":
        done = sum(outcome.state != "skipped" for outcome in outcomes)
        print(f"\r{done} of {expected} ", end="" if done < expected else "\n", file=sys.stderr, flush=True)


def _tell(at: str, outcomes: Sequence[Outcome]) -> None:
    """How many were written; who was not, and why."""
    told = [one for one in outcomes if " " in one.why]  # a word alone is a kind of change, which was shown
    for one in told[:SHOWN]:
        print(f"grade: {clean(one.student)}: {one.state}: {clean(one.why)}", file=sys.stderr)
    if told[SHOWN:]:
        print(f"grade: and {len(told) - SHOWN} more: --json has all", file=sys.stderr)
    written = sum(one.state == "written" for one in outcomes)
    print(f"grade: {at}: {written} {'grade' if written == 1 else 'grades'} written and read back", file=sys.stderr)


def _refuse_what_is_left(outcomes: Sequence[Outcome]) -> None:
    left = sum(one.state != "written" and " " in one.why for one in outcomes)
    if left:
        written = sum(one.state == "written" for one in outcomes)
        raise GraderFault(
            f"{left} of {written + left} grades were not written; expected all; see above, and run the same command "
            "again, which sends what is not there yet"
        )


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
        _show_made(source, changes, order.forced, as_json=as_json, writes=target is not None)
    elif target is None:
        raise UsageError(f"--dry-run: {source.platform} is no platform's gradebook; expected --out; name the file")
    if target is not None:
        refuse_to_write(target, source.folder)
        if is_logged:
            pushes.check(source.folder)
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
