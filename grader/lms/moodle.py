"""Moodle: "Download all submissions" gives a folder for each participant, or flat names,

    <full name>_<participant id>_assignsubmission_<plugin>/<path>     ..._assignsubmission_<plugin>_<file>

(mod/assign/classes/downloader.php). The participant id is the number of the worksheet's "Participant N"; a team's
folder has the group's name and number.

Its offline grading worksheet (mod/assign/feedback/offline) has "Participant N" for each, N as in the download, a
column Grade, the maximum in each line, and whether the grade can be changed; what is blank is left as it is. The
headline is in the user's language.

Its web service (mod/assign/externallib.php, locallib.php) keeps what it has saved where a later grade of the request
fails; passes over, without a word, a grade that is locked, overridden or too high; erases a feedback comment that is
not sent along; takes back a release whose state is not sent along; and tells errors with the status 200.
"""

from __future__ import annotations

import html
import re
from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from grader import network
from grader.account import Wanted
from grader.delimited import line
from grader.errors import UsageError
from grader.lms import (
    BLANK,
    Column,
    Person,
    Piece,
    Row,
    Unplaced,
    cell,
    keyed,
    most,
    number,
    place_of,
    pointed,
    standing,
)
from grader.remote import SOMEBODYS, Refused, digest

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from pydantic import SecretStr

    from grader.listing import File
    from grader.lms import Made
    from grader.remote import RemoteCriterion, Score

TITLE = "Moodle"
OWN_KEYS = True
SIDE = re.compile(r"(?!)")

_FORM = re.compile(
    r"(?P<person>[^/]*?)(?:_(?P<id>\d+))?_assignsubmission_(?P<plugin>[a-z]+)_?(?P<file>[^/]*)(?:/(?P<path>.+))?"
)


def recognises(paths: Sequence[str]) -> bool:
    """Most files are of a submission, by their folder or name."""
    return most(map(_FORM.fullmatch, paths), paths)


def pieces(files: Iterable[File], side: Mapping[str, bytes]) -> Iterator[Piece | Unplaced]:  # noqa: ARG001 all are called alike
    for file in files:
        if found := _FORM.fullmatch(file.path):
            person, key = found["person"], found["id"] or found["person"]
            name = found["path"] or found["file"] or file.path
            yield Piece(key, file, name, person=None if person == "Participant" else person or None)
        else:
            yield Unplaced(file.path, "its path is not of the form name_id_assignsubmission_plugin")


# The worksheet.


def columns(head: Sequence[Sequence[str]]) -> list[Column]:
    header = head[0]
    place = place_of(header, "Grade")
    if place is None or place_of(header, "Identifier") is None or place_of(header, "Maximum grade") is None:
        return []  # of another language, or graded by a scale
    return [Column(place, header[place], header[place], header[place])]


def row(header: Sequence[str], cells: Sequence[str], column: Column) -> Row | None:
    if not (participant := re.fullmatch(r".*?(\d+)", cell(cells, place_of(header, "Identifier")))):
        return None
    text = cell(cells, column.place)
    person = Person(
        participant[1],
        cell(cells, place_of(header, "Full name")),
        (cell(cells, place_of(header, "ID number")),),
        (cell(cells, place_of(header, "Email address")), cell(cells, place_of(header, "Username"))),
    )
    closed = cell(cells, place_of(header, "Grade can be changed")).casefold() == "no"
    locked = "Moodle says that this grade cannot be changed" if closed else ""
    maximum = number(cell(cells, place_of(header, "Maximum grade")))
    if not maximum or maximum < 0:
        locked = "its maximum is no number of points"
    return Row(person, BLANK if text == "-" else standing(text), maximum, locked)


# The import of a gradebook: any column of it may be filled from a CSV (grade/import/csv).


def _import(made: Made) -> dict[str, Iterator[str]]:
    """By email where all have one, else by ID number. A blank would take a grade away: who has none is left out."""
    by_email = all(entry.email for entry in made.entries)

    def lines() -> Iterator[str]:
        yield line(("Email address" if by_email else "ID number", made.column))
        for entry in made.entries:
            yield line((entry.email if by_email else keyed(entry, TITLE), f"{entry.points.normalize():f}"))

    return {"grades.csv": lines()}


MAKES: dict[str, Callable[[Made], dict[str, Iterator[str]]]] = {"moodle-import": _import}


# Its web service.

ACCOUNT = {"token": Wanted("a token of its web service: Preferences, Security keys")}
LIKE = "https://moodle.example.edu/mod/assign/view.php?id=1234"
AT_ONCE = 100  # grades; PHP passes over what is behind the thousandth field of a request
PAGE = 500  # participants
_PLACE = re.compile(r"(?P<before>.*)/mod/assign/view\.php")
_RELEASED = "released"
_HOPELESS = {"invalidtoken", "accessexception", "nopermission", "nopermissions"}  # whatever else is asked


class Declined(UsageError):
    """Moodle has refused what was asked; it may do something else."""


def connect(address: str, account: Mapping[str, SecretStr]) -> Assignment:
    parts = network.address(address, LIKE)
    place, module = _PLACE.fullmatch(parts.path), parse_qs(parts.query).get("id", [""])[0]
    if place is None or not module.isdecimal():
        raise UsageError(
            f"{address}: it is no assignment of Moodle's; expected one as {LIKE}; copy it from the browser"
        )
    service = Service(f"{parts.scheme}://{parts.netloc}{place['before']}", account["token"])
    try:
        return Assignment(service, module)
    except BaseException:
        service.close()
        raise


class Service:
    """Moodle's functions, by their names."""

    def __init__(self, base: str, token: SecretStr) -> None:
        try:
            import httpx
        except ImportError:
            raise network.missing("moodle", "httpx") from None
        self.base, self._token = base, token
        self._client = httpx.Client(timeout=network.TIMEOUT, trust_env=not network.is_here(base))

    def close(self) -> None:
        self._client.close()

    def ask(self, function: str, **arguments: Any) -> Any:
        """What the function gives."""
        is_safe = not function.startswith("mod_assign_save_")
        return network.patiently(lambda: self._once(function, arguments, is_safe=is_safe), self.base)

    def _once(self, function: str, arguments: Mapping[str, Any], *, is_safe: bool) -> Any:
        head = {"wstoken": self._token.get_secret_value(), "wsfunction": function, "moodlewsrestformat": "json"}
        data = {**head, "moodlewssettingraw": "1", **dict(_fields("", arguments))}
        known, _ = network.answered(
            self.base, lambda: self._client.post(f"{self.base}/webservice/rest/server.php", data=data),
            "a web service's; see that REST is switched on there", is_safe=is_safe,
        )  # fmt: skip
        return self._known(function, known)

    def _known(self, function: str, known: Any) -> Any:
        if not isinstance(known, dict) or "exception" not in known:
            return known
        code, said = str(known.get("errorcode")), " ".join(str(known.get("message")).split())[:300]
        wanted = {
            "invalidtoken": "a valid token",
            "accessexception": f"a service that has the function {function}",
        }.get(code, "it to be taken")
        kind = UsageError if code in _HOPELESS else Declined
        raise kind(
            f"{self.base}: {function} is refused ({code}: {said}); expected {wanted}; see what is wrong in Moodle"
        )


class Assignment:
    """An assignment's grades."""

    criteria: tuple[RemoteCriterion, ...] = ()

    def __init__(self, service: Service, module: str) -> None:
        self._service = service
        self.close = service.close
        cm = service.ask("core_course_get_course_module", cmid=module)["cm"]
        courses = service.ask("mod_assign_get_assignments", courseids=[cm["course"]])["courses"]
        known = next((one for course in courses for one in course["assignments"] if str(one["cmid"]) == module), None)
        if known is None:
            raise UsageError(f"{module}: it is no assignment, or not for this user; expected one as {LIKE}; look it up")
        maximum = Decimal(str(known["grade"]))
        if maximum <= 0:
            raise UsageError(
                f"{known['name']}: it is graded by a scale or not at all; expected points; mend it in Moodle"
            )
        self._id, self._course = int(known["id"]), int(cm["course"])
        self.column = Column(0, known["name"], known["name"], str(self._id), str(maximum), maximum)
        self._workflow = bool(known.get("markingworkflow"))
        self._is_of_teams = bool(known.get("teamsubmission"))  # then not all who have a grade are told
        self._has_comments = any(
            (one.get("subtype"), one.get("plugin"), one.get("name"), str(one.get("value")))
            == ("assignfeedback", "comments", "enabled", "1")
            for one in known.get("configs") or ()
        )
        self._people: dict[str, Person] = {}
        self._graded: dict[str, str] = {}
        self._states: dict[str, str] = {}
        self._closed: set[str] = set()

    def rows(self, refs: Collection[str] | None = None) -> Iterator[Row]:
        if refs is None:
            self._people = {person.at: person for person in self._participants()}
            self._closed = set(self._locked())
        self._states = self._workflow_states() if self._workflow else {}
        graded = self._service.ask("mod_assign_get_grades", assignmentids=[self._id])["assignments"]
        self._graded = {str(one["userid"]): one["grade"] for some in graded for one in some["grades"]}
        for ref in self._people if refs is None else refs:
            if person := self._people.get(ref):
                there = pointed(self._graded.get(ref) or None)
                there = BLANK if there.points is not None and there.points < 0 else there
                yield Row(person, there, self.column.maximum, self._why_locked(ref))

    def _why_locked(self, ref: str) -> str:
        if ref in self._closed:
            return "it is locked or overridden in Moodle's gradebook"
        if self._has_comments and ref in self._graded and self._workflow and self._states.get(ref) != _RELEASED:
            return "its feedback comment cannot be read before it is released, and would be lost"
        return ""

    def _participants(self) -> Iterator[Person]:
        with_numbers = self._optional("mod_assign_get_user_mappings", assignmentids=[self._id])
        mapped = with_numbers["assignments"] if with_numbers else ()
        numbers = {one["userid"]: str(one["id"]) for some in mapped for one in some["mappings"]}
        wanted = {"assignid": self._id, "groupid": 0, "filter": "", "limit": PAGE, "onlyids": 0, "includeenrolments": 0}
        skipped = 0
        seen: set[Any] = set()
        while users := self._service.ask("mod_assign_list_participants", **wanted, skip=skipped):
            new = [user for user in users if user["id"] not in seen]
            if not new:
                return  # it gives the same page for ever
            seen |= {user["id"] for user in new}
            for user in new:
                ids, logins = (
                    tuple(str(user[field]) for field in fields if user.get(field))
                    for fields in (("idnumber",), ("username", "email"))
                )
                number = numbers.get(user["id"], "")
                yield Person(number, str(user.get("fullname", "")), ids, logins, at=str(user["id"]))
            skipped += PAGE

    def _workflow_states(self) -> dict[str, str]:
        known = self._service.ask("mod_assign_get_user_flags", assignmentids=[self._id])["assignments"]
        return {str(one["userid"]): one.get("workflowstate") or "" for some in known for one in some["userflags"]}

    def _locked(self) -> Iterator[str]:
        """Who has a grade in the gradebook that Moodle would keep; nobody where that may not be looked at."""
        known = self._optional("gradereport_user_get_grade_items", courseid=self._course, userid=0)
        for user in known["usergrades"] if known else ():
            for item in user["gradeitems"]:
                if (item.get("itemmodule"), item.get("iteminstance")) == ("assign", self._id) and (
                    item.get("locked") or item.get("gradeislocked") or item.get("gradeisoverridden")
                ):
                    yield str(user["userid"])

    def _optional(self, function: str, **arguments: Any) -> Any:
        with suppress(UsageError):  # not every service has it, nor every teacher
            return self._service.ask(function, **arguments)
        return None

    def send(self, scores: Sequence[Score]) -> Refused:
        refused = Refused({}, {})
        grades = [self._grade(score, refused) for score in scores]
        try:
            self._service.ask("mod_assign_save_grades", assignmentid=self._id, applytoall=0, grades=grades)
        except Declined as error:
            if len(scores) == 1:  # of several, it is not known whose fault it is
                refused.grades[scores[0].ref] = str(error)
            return refused._replace(whole=True)
        return refused

    def _grade(self, score: Score, refused: Refused) -> dict[str, Any]:
        """What is cut off at its end is refused as a whole: a comment that was left out would be erased."""
        grade: dict[str, Any] = {}
        if self._has_comments:
            text = self._comment(score, refused)
            grade["plugindata"] = {"assignfeedbackcomments_editor": {"text": text, "format": 1}}
        elif score.is_news:
            refused.comments[score.ref] = "the comment was not: feedback comments are switched off in this assignment"
        return grade | {
            "userid": score.ref, "grade": f"{score.points:f}", "attemptnumber": -1, "addattempt": 0,
            "workflowstate": self._states.get(score.ref, ""),
        }  # fmt: skip

    def _comment(self, score: Score, refused: Refused) -> str:
        """The comment that is to stand there: ours if it is news, and nobody else's stands there."""
        there = self._comment_of(score.ref) if score.ref in self._graded or self._is_of_teams else ""
        if not score.is_news or score.comment is None:
            return there
        if _plain(there).strip() and digest(_plain(there)) not in (score.told, digest(score.comment)):
            refused.comments[score.ref] = SOMEBODYS
            return there
        return html.escape(score.comment, quote=False).replace("\n", "<br>")

    def _comment_of(self, ref: str) -> str:
        known = self._service.ask("mod_assign_get_submission_status", assignid=self._id, userid=ref)
        comments = (one for one in (known.get("feedback") or {}).get("plugins") or () if one.get("type") == "comments")
        fields = (field for one in comments for field in one.get("editorfields") or ())
        return next((str(field.get("text") or "") for field in fields if field.get("name") == "comments"), "")


def _plain(text: str) -> str:
    return html.unescape(re.sub(r"<[^>]*>", " ", text))


def _fields(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """Nested values as PHP reads them from a form."""
    if isinstance(value, dict | list):
        for key, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _fields(f"{name}[{key}]" if name else str(key), one)
    else:
        yield name, str(value)
