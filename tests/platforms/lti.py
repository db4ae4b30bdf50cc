"""A platform's LTI services: access tokens, a line item with its results and scores, and the members of a course.

From LTI Assignment and Grade Services 2.0, Names and Role Provisioning Services 2.0 and the Security Framework 1.0; where
platforms differ, `kind` is "canvas" (scores_controller.rb), "moodle" (gradebookservices) or neither.
"""

from __future__ import annotations

import json
import re
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from platforms import Answer, Platform

AGS = "https://purl.imsglobal.org/spec/lti-ags/scope/"
NRPS = "https://purl.imsglobal.org/spec/lti-nrps/scope/contextmembership.readonly"
LEARNER = "http://purl.imsglobal.org/vocab/lis/v2/membership#Learner"
TEACHER = "http://purl.imsglobal.org/vocab/lis/v2/membership#Instructor"
SCORE, RESULTS = "application/vnd.ims.lis.v1.score+json", "application/vnd.ims.lis.v2.resultcontainer+json"
MEMBERS, ITEM = "application/vnd.ims.lti-nrps.v2.membershipcontainer+json", "application/vnd.ims.lis.v2.lineitem+json"
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+(?:Z|[+-]\d\d:\d\d)")
CLIENT, KID = "client-1", "key-1"
PER_PAGE = 3
_KEY = rsa.generate_private_key(65537, 2048)
PRIVATE = _KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()
EXTENSION = "https://canvas.instructure.com/lti/submission"


@dataclass
class Student:
    """A member; `id` is what the platform has them by."""

    id: str
    name: str = ""
    sourced: str = ""
    email: str = ""
    role: str = LEARNER
    status: str = "Active"
    points: float | None = None
    comment: str = ""
    changed: datetime | None = None
    comments: int = 0  # that were ever added, where they are
    submissions: int = 0


class Refusal(Exception):
    def __init__(self, status, said):
        super().__init__(said)
        self.answer = Answer(status, {"errors": {"type": "bad_request", "message": said}})


class Lti(Platform):
    def __init__(self, *students, kind="", maximum=10, ttl=3600, tells_comments=True):
        super().__init__()
        self.students = {student.id: student for student in students}
        self.kind, self.maximum, self.ttl, self.tells_comments = kind, maximum, ttl, tells_comments
        self.tokens: dict[str, tuple[set[str], float]] = {}
        self.seen: set[str] = set()
        self.item = "/api/lti/courses/9/line_items/7" if kind == "canvas" else "/mod/lti/9/lineitems/7/lineitem"
        self.query = "?type_id=1" if kind == "moodle" else ""

    @property
    def at(self):
        return f"{self.base}{self.item}{self.query}"

    @property
    def account(self):
        return {
            "client_id": CLIENT, "token_url": f"{self.base}/token", "private_key": PRIVATE, "key_id": KID,
            "memberships": f"{self.base}/members",
        }  # fmt: skip

    def edit(self, key, points):
        """A teacher does."""
        self.students[key].points, self.students[key].changed = points, datetime.now(UTC)

    def writes(self, request):
        return request.path.endswith("/scores")

    def answer(self, request):
        try:
            answers = {
                ("POST", "/token"): self._token, ("GET", self.item): self._lineitem, ("GET", f"{self.item}/results"): self._results,
                ("POST", f"{self.item}/scores"): self._score, ("GET", "/members"): self._members,
            }  # fmt: skip
            found = answers.get((request.method, request.path))
            return found(request) if found else Answer(404, {"errors": {"message": "not found"}})
        except Refusal as refusal:
            return refusal.answer

    def _token(self, request):
        form = dict(request.form)
        try:
            claims = jwt.decode(
                form["client_assertion"], _KEY.public_key(), algorithms=["RS256"], audience=f"{self.base}/token",
                options={"require": ["iss", "sub", "aud", "iat", "exp", "jti"]},
            )  # fmt: skip
            assert form["grant_type"] == "client_credentials"
            assert form["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
            assert jwt.get_unverified_header(form["client_assertion"])["kid"] == KID
            assert claims["iss"] == claims["sub"] == CLIENT
            assert claims["jti"] not in self.seen
        except (jwt.PyJWTError, AssertionError, KeyError) as error:
            return Answer(400, {"error": "invalid_client", "error_description": repr(error)})
        self.seen.add(claims["jti"])
        token = uuid.uuid4().hex
        self.tokens[token] = set(form.get("scope", "").split()), time.time() + self.ttl
        return Answer(
            200, {"access_token": token, "token_type": "Bearer", "expires_in": self.ttl, "scope": form["scope"]}
        )

    def _may(self, request, *scopes):
        granted, end = self.tokens.get(request.headers.get("Authorization", "").removeprefix("Bearer "), (set(), 0))
        if end < time.time():
            raise Refusal(401, "Access token expired")
        if not granted & set(scopes):
            raise Refusal(401 if self.kind == "canvas" else 403, "Insufficient permissions")
        if self.query and "?" + request.url.partition("?")[2] != self.query and request.path.startswith(self.item):
            raise Refusal(401, "the type_id of the line item is lost")

    def _lineitem(self, request):
        self._may(request, f"{AGS}lineitem", f"{AGS}lineitem.readonly")
        return Answer(200, {"id": self.at, "label": "Homework 1", "scoreMaximum": self.maximum}, media_type=ITEM)

    def _members(self, request):
        self._may(request, NRPS)
        members = [
            {"user_id": one.id, "status": one.status, "roles": [one.role]}
            | {
                name: text
                for name, text in (("name", one.name), ("lis_person_sourcedid", one.sourced), ("email", one.email))
                if text
            }
            for one in self.students.values()
        ]
        page, headers = self._page(request, members)
        return Answer(200, {"id": f"{self.base}/members", "context": {"id": "9"}, "members": page}, headers, MEMBERS)

    def _results(self, request):
        self._may(request, f"{AGS}result.readonly")
        if self.kind == "moodle" and request.headers.get("Accept") not in (None, RESULTS):
            raise Refusal(400, "the media type is not a result container's")
        results = [
            {"id": f"{self.at}/results/{one.id}", "userId": one.id, "scoreOf": self.at}
            | ({"resultScore": one.points, "resultMaximum": self.maximum} if one.points is not None else {})
            | ({"comment": one.comment} if one.comment and self.tells_comments else {})
            for one in self.students.values()
            if one.changed
        ]
        if self.kind == "moodle":
            return Answer(200, results, media_type=RESULTS)
        page, headers = self._page(request, results)
        return Answer(200, page, headers, RESULTS)

    def _page(self, request, items):
        page = int(dict(request.query).get("p", 0))
        more = len(items) > (page + 1) * PER_PAGE
        link = f'<{self.base}{request.path}?p={page + 1}>; rel="next"'
        return items[page * PER_PAGE : (page + 1) * PER_PAGE], {"Link": link} if more else {}

    def _score(self, request):
        self._may(request, f"{AGS}score")
        if request.headers.get("Content-Type") != SCORE:
            raise Refusal(415, "the media type is not a score's")
        score = json.loads(request.body)
        for name in ("userId", "timestamp", "activityProgress", "gradingProgress"):
            if name not in score:
                raise Refusal(400, f"{name} is missing")
        if not STAMP.fullmatch(score["timestamp"]):
            raise Refusal(400, "Provided timestamp of nothing not a valid timestamp")
        student = self.students.get(score["userId"])
        if student is None or student.role != LEARNER:
            raise Refusal(422, "User not found in course or is not a student")
        if "scoreGiven" in score and not score.get("scoreMaximum"):
            raise Refusal(422, "ScoreMaximum not supplied when ScoreGiven present.")
        self._refuse_stale(student, datetime.fromisoformat(score["timestamp"]))
        graded = score["gradingProgress"] == "FullyGraded" and "scoreGiven" in score
        student.points = score["scoreGiven"] * self.maximum / score["scoreMaximum"] if graded else None
        self._comment(student, score.get("comment", ""))
        if self.kind == "canvas" and score.get(EXTENSION, {}).get("new_submission", True):
            student.submissions += 1
        return Answer(200, {"resultUrl": f"{self.at}/results/{student.id}"}) if self.kind != "moodle" else Answer(200)

    def _refuse_stale(self, student, stamp):
        if student.changed:
            if self.kind == "moodle" and int(student.changed.timestamp()) >= int(stamp.timestamp()):
                raise Refusal(409, "Refusing score with an earlier timestamp for item")
            if self.kind != "moodle" and student.changed >= stamp:
                raise Refusal(400, f"Provided timestamp of {stamp} before last updated timestamp of {student.changed}")
        student.changed = stamp

    def _comment(self, student, comment):
        """Canvas adds it, and tells the last; elsewhere it replaces the last, and none clears it."""
        if self.kind != "canvas":
            student.comment = comment
        elif comment:
            student.comment, student.comments = comment, student.comments + 1
