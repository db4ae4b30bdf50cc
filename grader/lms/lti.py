"""Any platform that speaks LTI 1.3: grades go to a line item (Assignment and Grade Services), names come by NRPS.

A score replaces points and comment of one user; one without points, or that is not FullyGraded, would clear them. Its
timestamp has to be later than the last. Results are what stands in the gradebook. Canvas adds each comment to those
before, and takes a score for a new submission unless it is told not to.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from time import monotonic
from typing import TYPE_CHECKING, Any

from grader import network
from grader.account import Wanted
from grader.errors import UsageError
from grader.lms import BLANK, Column, Person, Row, Standing, pointed
from grader.remote import SOMEBODYS, Refused, digest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from pydantic import SecretStr
    from pylti1p3.exception import LtiServiceException
    from pylti1p3.registration import Registration

    from grader.remote import RemoteCriterion, Score

TITLE = "LTI"
ACCOUNT = {
    "client_id": Wanted("the client id that the platform gave the tool"),
    "token_url": Wanted("the address where the platform gives access tokens"),
    "private_key": Wanted("the tool's private key, as PEM"),
    "memberships": Wanted("the address of the course's members (Names and Role Provisioning)"),
    "key_id": Wanted("the id (kid) of the key in the tool's key set", needed=False),
    "audience": Wanted("whom access tokens are asked of, where that is not their address", needed=False),
}
LIKE = "https://lms.example.edu/courses/9/lineitems/7/lineitem"
AT_ONCE = 50
ENOUGH = 3  # in a row that are forbidden: so are all
EARLY = 30  # seconds before its end that an access token is no longer used
_AGS = "https://purl.imsglobal.org/spec/lti-ags/scope/"
_SCOPES = [f"{_AGS}lineitem.readonly", f"{_AGS}result.readonly", f"{_AGS}score"]
_LEARNER = re.compile(r"(?:.*membership#)?Learner")
_CANVAS = re.compile(r".*/api/lti/courses/\d+/line_items/\d+")
_LATER = "a later change of this grade, or one of this second, is noted there: somebody graded it, or the clocks differ"
_WHY = {
    400: "it is not taken as it is",
    403: "the tool may not",
    404: "it is not there",
    409: _LATER,
    412: "it is another tool's",
}
_WHY |= {413: "it is too large", 422: "it is of no student of the course, or of no use there"}


def connect(address: str, account: Mapping[str, SecretStr]) -> LineItem:
    for url in (address, *(account[name].get_secret_value() for name in ("token_url", "memberships"))):
        network.address(url, LIKE)
    return LineItem(address, {name: text.get_secret_value() for name, text in account.items()})


class LineItem:
    """A line item: a column of the platform's gradebook."""

    criteria: tuple[RemoteCriterion, ...] = ()

    def __init__(self, url: str, account: Mapping[str, str]) -> None:
        try:
            from pylti1p3.assignments_grades import AssignmentsGradesService
            from pylti1p3.names_roles import NamesRolesProvisioningService
        except ImportError:
            raise network.missing("lti", "pylti1p3next") from None
        self._url, self._members_at = url, account["memberships"]
        key = _signing_key(account["private_key"])
        connector = _connector(account, key, [url, account["token_url"], account["memberships"]])
        self.close = connector.close
        self._grades = AssignmentsGradesService(connector, {"scope": _SCOPES, "lineitem": url})  # type: ignore[typeddict-item] # its list is of literals
        self._names = NamesRolesProvisioningService(connector, {"context_memberships_url": self._members_at})
        self._appends = _CANVAS.fullmatch(network.address(url, LIKE).path) is not None
        self._people: dict[str, Person] = {}
        self._comments: dict[str, str] = {}
        try:
            with _told(url):
                item = self._grades.get_lineitem()
                label, maximum = str(item.get_label()), Decimal(str(item.get_score_maximum() or 0))
            if maximum <= 0:
                raise UsageError(
                    f"{url}: it is of {maximum} points, or no line item; expected one as {LIKE}, of points"
                )
        except BaseException:
            self.close()
            raise
        self.column = Column(0, label, label, url, str(maximum), maximum)
        self._maximum = maximum

    def rows(self, refs: Collection[str] | None = None) -> Iterator[Row]:
        with _told(self._url):
            if refs is None:
                self._people = {person.at: person for person in self._members()}
            results = {str(one.get("userId")): one for one in self._grades.get_grades()}
            self._comments = {ref: str(one["comment"]) for ref, one in results.items() if one.get("comment")}
            standings = {ref: self._standing(one) for ref, one in results.items()}
        for ref in self._people if refs is None else refs:
            if person := self._people.get(ref):
                comments = frozenset([digest(self._comments[ref])]) if ref in self._comments else None
                yield Row(person, standings.get(ref, BLANK), self._maximum, "", comments)

    def _standing(self, result: Mapping[str, Any]) -> Standing:
        score, of = result.get("resultScore"), float(result.get("resultMaximum") or self._maximum)
        return pointed(score if score is None else float(score) * float(self._maximum) / of)

    def _members(self) -> Iterator[Person]:
        """Everybody who learns there; a page that comes again ends it."""
        seen, url = set[str](), self._members_at
        while url and url not in seen:
            seen.add(url)
            members, url = self._names.get_members_page(url)  # type: ignore[assignment] # None is the end
            for one in members:
                if one.get("status", "Active") == "Active" and any(map(_LEARNER.fullmatch, one.get("roles", ()))):
                    name = one.get("name") or f"{one.get('given_name', '')} {one.get('family_name', '')}".strip()
                    key = str(one["user_id"])
                    ids, logins = (
                        (str(one[field]),) if one.get(field) else () for field in ("lis_person_sourcedid", "email")
                    )
                    yield Person("", name, ids, logins, at=key)

    def send(self, scores: Sequence[Score]) -> Refused:
        """One by one, for that is how they are taken. What is refused is refused of one; a lost right is of all."""
        from pylti1p3.exception import LtiServiceException

        refused = Refused({}, {})
        forbidden = 0
        for score in scores:
            try:
                with _told(self._url, passing=_WHY):
                    self._grades.put_grade(self._grade(score, refused))
                forbidden = 0
            except LtiServiceException as error:
                forbidden += error.response.status_code == 403
                if forbidden == ENOUGH:
                    raise _refusal(error) from None
                refused.grades[score.ref] = _why(error)
        return refused

    def _grade(self, score: Score, refused: Refused) -> Any:
        from pylti1p3.grade import Grade

        grade = Grade()
        grade.set_user_id(score.ref).set_score_given(float(score.points)).set_score_maximum(float(self._maximum))
        grade.set_activity_progress("Completed").set_grading_progress("FullyGraded")
        grade.set_timestamp(_as_text(datetime.now(UTC)))
        if score.submitted and score.submitted.tzinfo:
            grade.set_submitted_at(_as_text(min(score.submitted, datetime.now(UTC))))
        grade.set_extra_claims({"https://canvas.instructure.com/lti/submission": {"new_submission": False}})
        if comment := self._comment(score, refused):
            grade.set_comment(comment)
        return grade

    def _comment(self, score: Score, refused: Refused) -> str | None:
        """What is not sent along is cleared, but where comments are added: there it would be said twice."""
        there = self._comments.get(score.ref)
        if self._appends:
            return score.comment if score.is_news and digest(score.comment or "") != digest(there or "") else None
        if score.is_news and there and digest(there) not in (score.told, digest(score.comment or "")):
            refused.comments[score.ref] = SOMEBODYS
            return there
        return score.comment if score.is_news else there


def _as_text(time: datetime) -> str:
    """With parts of a second and a colon in the zone, which the library's own form has not."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds")


def _why(error: LtiServiceException) -> str:
    status, said = error.response.status_code, " ".join(error.response.text.split())[:200]
    return f"refused with status {status}: {_LATER if 'timestamp' in said.lower() else _WHY[status]} ({said})"


def _refusal(error: LtiServiceException) -> UsageError:
    address, status = error.response.url.partition("?")[0], error.response.status_code
    said = " ".join(error.response.text.split())[:300]
    return UsageError(
        f"{address}: refused with status {status} ({said}); expected one as {LIKE}, and a tool that may use it; see to "
        "it in the platform"
    )


@contextmanager
def _told(url: str, passing: Collection[int] = ()) -> Iterator[None]:
    """What goes wrong, in our words, but for refusals with these statuses."""
    from pylti1p3.exception import LtiException, LtiServiceException
    from requests.exceptions import JSONDecodeError

    try:
        yield
    except LtiServiceException as error:
        if error.response.status_code in passing:
            raise
        raise _refusal(error) from None
    except (JSONDecodeError, LtiException, KeyError, AttributeError, TypeError) as error:
        raise network.Unreachable(
            f"{url}: its answer is not as LTI has it ({type(error).__name__}); expected one as {LIKE}; see that the "
            "addresses are right"
        ) from None


def _signing_key(pem: str) -> Any:
    """The key, read and proved once: that takes longer than to sign with it."""
    import jwt
    from jwt.algorithms import RSAAlgorithm

    try:
        key: Any = RSAAlgorithm(RSAAlgorithm.SHA256).prepare_key(pem)  # or a public one, which cannot sign
        jwt.encode({}, key, algorithm="RS256")
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise UsageError(
            f"private_key: it cannot sign ({type(error).__name__}); expected an RSA key as PEM, with all its lines; "
            "copy it again"
        ) from None
    return key


def _connector(account: Mapping[str, str], key: Any, urls: Sequence[str]) -> Any:
    """The library's own, with a session that is careful, and a memory for access tokens."""
    from pylti1p3.exception import LtiServiceException
    from pylti1p3.service_connector import ServiceConnector

    class Connector(ServiceConnector):
        def __init__(self, registration: Registration) -> None:
            super().__init__(registration, network.session(urls[0], urls, lambda _: None))
            self._tokens: dict[str, tuple[str, float]] = {}

        def _get_cached_access_token(self, scope_key: str) -> str | None:
            token, end = self._tokens.get(scope_key, (None, 0.0))
            return token if monotonic() < end else None

        def _cache_access_token(self, scope_key: str, access_token: str, expires_in: float) -> None:
            self._tokens[scope_key] = access_token, monotonic() + float(expires_in) - EARLY

        def make_service_request(self, *args: Any, **options: Any) -> Any:
            try:
                return super().make_service_request(*args, **options)
            except LtiServiceException as error:
                if error.response.status_code != 401 or not self._tokens:
                    raise
                self._tokens.clear()  # it may have ended before its time
                return super().make_service_request(*args, **options)

        def get_paginated_data(self, scopes: Sequence[str], url: str | None, *args: Any, **options: Any) -> Any:
            seen = set[str]()
            while url and url not in seen:  # pages that go round come to an end
                seen.add(url)
                page = self.make_service_request(scopes, url, *args, **options)
                yield page
                url = page["next_page_url"]

        def close(self) -> None:
            self._requests_session.close()

    return Connector(_registration(account, key))


def _registration(account: Mapping[str, str], key: Any) -> Registration:
    from pylti1p3.registration import Registration

    class Known(Registration):
        def get_kid(self) -> str | None:  # the library makes one of a public key
            return account.get("key_id")

    registration = Known()
    registration.set_issuer(account["token_url"]).set_client_id(account["client_id"])
    registration.set_auth_token_url(account["token_url"]).set_tool_private_key(key)
    registration.set_auth_audience(account.get("audience", account["token_url"]))
    return registration
