"""Canvas: "Download Submissions" gives a flat zip of

    <sortable name>[_LATE]_<user id>_<attachment id>_<file>     [LATE_]anon_<id>_<attachment id>_<file>

with the latest attempt of everybody (canvas-lms, lib/content_zipper.rb). The second number is the attachment's; a
"-1" before the suffix is part of the file's name.

Its gradebook (gradebook_exporter.rb, gradebook_importer.rb) has a column "Title (id)" for each assignment, and above
the students a line "    Points Possible" and perhaps one more. The importer takes a blank for no grade, EX for excused,
N/A for a student who is not asked for it, and compares two decimals. Columns that say "(read only)" are its own.

Its server (submissions_api_controller.rb, submission.rb) takes many grades in one request and gives them in a job,
whose Progress says when it has ended. The job stops at the first student for whom it fails, and leaves the grades that
it has given. A comment is added each time it is sent. A late policy takes points off what is given: `entered_score` is
what was given. A request too many is answered by 403 or 429.
"""

from __future__ import annotations

import re
from decimal import Decimal
from time import sleep
from typing import TYPE_CHECKING, Any

from grader import network
from grader.account import Wanted
from grader.errors import UsageError
from grader.lms import (
    BLANK,
    EXCUSED,
    UNASSIGNED,
    Column,
    Person,
    Piece,
    Row,
    Standing,
    Unplaced,
    cell,
    most,
    place_of,
    pointed,
    standing,
)  # fmt: skip
from grader.network import Unreachable
from grader.remote import Refused, RemoteCriterion, digest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    import requests
    from pydantic import SecretStr

    from grader.listing import File
    from grader.remote import Score

TITLE = "Canvas"
OWN_KEYS = True
SIDE = re.compile(r"(?!)")

_NAMED = re.compile(r"(?P<person>[^/]+?)(?P<late>_LATE)?_(?P<id>\d+)_\d+_(?P<file>.+)")
_ANONYMOUS = re.compile(r"(?P<late>LATE_)?(?P<id>anon_[A-Za-z0-9]+)_\d+_(?P<file>.+)")
_TYPED = re.compile(r"(?P<person>[^/]+?)(?P<late>_LATE)?_(?P<id>\d+)_(?P<file>(?:text|link)\.html)")


def recognises(paths: Sequence[str]) -> bool:
    """Most files are named so."""
    return most(map(_match, paths), paths)


def pieces(files: Iterable[File], side: Mapping[str, bytes]) -> Iterator[Piece | Unplaced]:  # noqa: ARG001 all are called alike
    for file in files:
        if found := _match(file.path):
            known = found.groupdict()
            yield Piece(
                student=known["id"],
                file=file,
                name=known["file"],
                marked_late=known["late"] is not None,
                person=known.get("person"),
            )
        else:
            yield Unplaced(file.path, "its name is not of the form name_id_attachment_file")


def _match(path: str) -> re.Match[str] | None:
    """The place in its top folder tells whose it is: a student's own zip may hold anything."""
    top, slash, below = path.partition(".zip/")
    folder, _, name = top.rpartition("/")
    if "/" in folder:
        return None
    whole = name + (slash and ".zip/") + below
    return next(filter(None, (form.fullmatch(whole) for form in (_ANONYMOUS, _NAMED, _TYPED))), None)


# The gradebook.

_ASSIGNMENT = re.compile(r"(?P<name>.*)\s\((?P<id>\d+)\)")
_POSSIBLE = "Points Possible"
_TEST_STUDENT = "Student, Test"  # exported last, and nobody
_WORDS = {"": BLANK, "-": BLANK, "EX": EXCUSED, "N/A": UNASSIGNED}


def columns(head: Sequence[Sequence[str]]) -> list[Column]:
    header, possible = head[0], next((cells for cells in head if cell(cells, 0) == _POSSIBLE), [])
    found = [(n, title, _ASSIGNMENT.fullmatch(title)) for n, title in enumerate(header)]
    return [
        Column(n, title, item["name"], item["id"], cell(possible, n))
        for n, title, item in found
        if item and "read only" not in " ".join(cell(possible, n).split())
    ]


def row(header: Sequence[str], cells: Sequence[str], column: Column) -> Row | None:
    key, name = cell(cells, place_of(header, "ID")), _name(header, cells)
    if not key or name in (_POSSIBLE, _TEST_STUDENT):
        return None
    ids = (cell(cells, place_of(header, "SIS User ID")), cell(cells, place_of(header, "Integration ID")))
    person = Person(key, name, ids, (cell(cells, place_of(header, "SIS Login ID")),))
    return Row(person, _standing(cell(cells, column.place)), column.maximum)


def _standing(text: str) -> Standing:
    return _WORDS.get(text.upper()) or standing(text)


def _name(header: Sequence[str], cells: Sequence[str]) -> str:
    """As it stands; a name that begins with = is exported as a formula that gives it."""
    if (last := place_of(header, "LastName")) is not None:
        return ", ".join(filter(None, (cell(cells, last), cell(cells, place_of(header, "FirstName")))))
    name = cell(cells, place_of(header, "Student"))
    return name[2:-1].replace('""', '"') if name.startswith('="') and name.endswith('"') else name


# Its server.

ACCOUNT = {"token": Wanted("an access token: Account, Settings, New Access Token")}
LIKE = "https://canvas.example.edu/courses/101/assignments/40123"
AT_ONCE = 50
CENTS = Decimal("0.01")  # what Canvas shows
POLLS = [0.1, 0.2, 0.4, 0.8, 1.5, 3.0] + [5.0] * 120  # seconds between looks at a job: ten minutes
_PLACE = re.compile(r"(?P<before>.*)/courses/(?P<course>\d+)/assignments/(?P<assignment>\d+)(?:/.*)?")
_INDIVIDUALLY = "grade_group_students_individually"
_BY_GROUPS = 'gives the grade of one to their whole group (switch on "Assign Grades to Each Student Individually")'
_WITHOUT_POINTS = {"not_graded": "has no grades", "pass_fail": "is complete or incomplete, without points"}


def connect(address: str, account: Mapping[str, SecretStr]) -> Assignment:
    parts = network.address(address, LIKE)
    place = _PLACE.fullmatch(parts.path)
    if place is None:
        raise UsageError(
            f"{address}: it is no assignment of Canvas's; expected one as {LIKE}; copy it from the browser"
        )
    requester = _requester(f"{parts.scheme}://{parts.netloc}{place['before']}", account["token"])
    return Assignment(requester, place["course"], place["assignment"])


class Assignment:
    """An assignment's column of Canvas's gradebook; the client is canvasapi."""

    def __init__(self, requester: Any, course: str, assignment: str) -> None:
        from canvasapi.course import Course

        self._requester, self._course = requester, course
        self._assignment = Course(requester, {"id": int(course)}).get_assignment(int(assignment))
        self.column, self.criteria = _column(vars(self._assignment))
        self._has_points = getattr(self._assignment, "grading_type", None) == "points"
        self._people: dict[str, Person] = {}
        self._there: dict[str, Row] = {}

    def close(self) -> None:
        self._requester._session.close()  # noqa: SLF001 it is ours

    def rows(self, refs: Collection[str] | None = None) -> Iterator[Row]:
        """Everybody who is a student of the course; whom the assignment is not given to has no submission there."""
        if refs is None:
            students = self._pages("search_users", enrollment_type=["student"], include=["email"])
            self._people = {str(user["id"]): _person(user) for user in students}
        submissions = {str(one["user_id"]): one for one in self._submissions(refs)}
        for key in self._people if refs is None else refs:
            if person := self._people.get(key):
                self._there[key] = _row(person, submissions.get(key), self.column)
                yield self._there[key]

    def _submissions(self, refs: Collection[str] | None) -> list[dict[str, Any]]:
        """Of these alone; but Canvas refuses that for one of them who has left the course."""
        wanted = {"include": ["submission_comments", "rubric_assessment"]}
        if refs is not None:
            try:
                asked = {"student_ids": list(refs), "assignment_ids": [self.column.key]}
                return list(self._pages("students/submissions", **wanted, **asked))
            except UsageError:
                pass
        return list(self._pages(f"assignments/{self.column.key}/submissions", **wanted))

    def _pages(self, path: str, **wanted: Any) -> Iterator[dict[str, Any]]:
        """What a list of the course holds. canvasapi's own objects look for a date in every field: 3 ms for each."""
        from canvasapi.paginated_list import PaginatedList
        from canvasapi.util import combine_kwargs

        place = f"courses/{self._course}/{path}"
        kwargs = combine_kwargs(**wanted)
        found = PaginatedList(lambda _, one: one, self._requester, "GET", place, _kwargs=kwargs)
        return iter(found)

    def send(self, scores: Sequence[Score]) -> Refused:
        """Grades that are there already are not sent again, nor are comments, of which there would be two."""
        data = {score.ref: entry for score in scores if (entry := self._entry(score, self._there[score.ref]))}
        if not data:
            return Refused({}, {})
        message = self._end_of(self._assignment.submissions_bulk_update(grade_data=data))
        refused = dict.fromkeys(
            re.findall(r"'([^']*)'(?:,|$)", message) if "User" in message else (),
            "Canvas does not ask this assignment of the student",
        )
        if message and len(data) == 1:  # of several, it is not known whose fault it is
            refused |= dict.fromkeys(data, f"Canvas refused it: {message}")
        return Refused(refused, {}, whole=bool(message))

    def _entry(self, score: Score, there: Row) -> dict[str, Any]:
        entry: dict[str, Any] = {}
        if there.standing.points is None or there.standing.points.quantize(CENTS) != score.points.quantize(CENTS):
            entry["posted_grade"] = self._posted(score.points)
        if score.is_news and digest(score.comment or "") not in (there.comments or ()):
            entry["text_comment"] = score.comment
        if score.criteria:
            entry["rubric_assessment"] = {key: {"points": f"{points:f}"} for key, points in score.criteria.items()}
        return entry

    def _posted(self, points: Decimal) -> str:
        """In percent where a number may be the name of a grade: 7 is not seven points in every scheme."""
        if self._has_points:
            return f"{points:f}"
        return f"{(100 * points / (self.column.of or Decimal(1))).quantize(Decimal('1e-10')):f}%"

    def _end_of(self, job: Any) -> str:
        """Why a job failed; nothing where it did not."""
        for wait in POLLS:
            if job.workflow_state == "completed":
                return ""
            if job.workflow_state in ("failed", "canceled"):
                return str(getattr(job, "message", None) or job.workflow_state)
            sleep(wait)
            job = job.query()
        raise Unreachable(
            f"Canvas's job {job.id}: it is {job.workflow_state} after {sum(POLLS) / 60:.0f} minutes; expected an end; "
            "run the same command later, which goes on where this one ended"
        )


def _column(known: Mapping[str, Any]) -> tuple[Column, tuple[RemoteCriterion, ...]]:
    name, key, possible = known.get("name"), str(known.get("id")), known.get("points_possible")
    why = (
        _WITHOUT_POINTS.get(str(known.get("grading_type")))
        or (None if possible else f"is of {possible} points")
        or (None if known.get("published", True) else "is not published, and takes no grades")
        or ("is moderated, and takes no grades from outside" if known.get("moderated_grading") else None)
        or (_BY_GROUPS if known.get("group_category_id") and not known.get(_INDIVIDUALLY) else None)
    )
    if why:
        raise UsageError(f"{name}: the assignment {why}; expected one with points; mend it in Canvas")
    criteria = (
        RemoteCriterion(str(one["id"]), str(one.get("description")), Decimal(str(one.get("points") or 0)))
        for one in (() if known.get("use_rubric_for_grading") else known.get("rubric") or ())
    )
    return Column(0, f"{name} ({key})", str(name), key, str(possible), Decimal(str(possible))), tuple(criteria)


def _person(user: Mapping[str, Any]) -> Person:
    ids, logins = (
        tuple(str(user[field]) for field in fields if user.get(field))
        for fields in (("sis_user_id", "integration_id"), ("login_id", "email"))
    )
    return Person(str(user["id"]), str(user.get("sortable_name") or user.get("name") or ""), ids, logins)


def _row(person: Person, submission: Mapping[str, Any] | None, column: Column) -> Row:
    """Before a late policy took anything off; without a submission, the assignment is not given to the student."""
    if submission is None:
        return Row(person, UNASSIGNED, column.maximum)
    entered, score = submission.get("entered_score"), submission.get("score")
    there = pointed(score if entered is None else entered)
    comments = (digest(str(one.get("comment"))) for one in submission.get("submission_comments") or ())
    filled = {
        key: Decimal(str(one["points"]))
        for key, one in (submission.get("rubric_assessment") or {}).items()
        if one.get("points") is not None
    }
    standing = EXCUSED if submission.get("excused") else there
    return Row(person, standing, column.maximum, "", frozenset(comments), filled)


def _requester(base: str, token: SecretStr) -> Any:
    """Canvasapi's own, with a session that waits where Canvas asks for it, and says in our words what is wrong."""
    try:
        from canvasapi.requester import Requester
    except ImportError:
        raise network.missing("canvas", "canvasapi") from None
    requester = Requester(base, token.get_secret_value())
    requester._session = network.session(base, [base], lambda answer: _check(base, answer))  # noqa: SLF001 its own has no time-out
    return requester


def _check(base: str, answer: requests.Response) -> None:
    """Raise what is to be said of an answer; wait a little where little of what Canvas allows is left."""
    status, said = answer.status_code, " ".join(answer.text[:300].split())
    if status == 403 and "rate limit exceeded" in said.lower():
        raise network.Busy(network.BUSY)
    if status >= 400:
        wanted = {401: "a valid token of a teacher's", 403: "a teacher's token", 404: "an assignment that is there"}
        raise UsageError(
            f"{base}: refused with status {status} ({said}); expected {wanted.get(status, 'it to be taken')}; see what "
            "is wrong in Canvas"
        )
    if re.fullmatch(r"\d{1,2}(\.\d*)?", answer.headers.get("X-Rate-Limit-Remaining", "")):
        sleep(1)
    try:
        answer.json()
    except ValueError:
        raise Unreachable(f"{base}: its answer is no JSON; expected Canvas's; see that the address is right") from None
    if network.origin(answer.links.get("next", {}).get("url", base)) != network.origin(base):
        raise UsageError(f"{base}: it calls itself {answer.links['next']['url']}; expected one name; give that one")
