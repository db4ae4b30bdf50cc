"""Canvas's interface, as far as grades go.

From canvas-lms: app/controllers/submissions_api_controller.rb, app/models/submission.rb (process_bulk_update),
lib/api/v1/submission.rb and user.rb, app/middleware/request_throttle.rb, app/models/progress.rb.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import partial

from platforms import Answer, Platform

TOKEN = "7~secretTokenOfATeacher"
COURSE, ASSIGNMENT = 101, 40123
MAX_PER_PAGE = 100
THROTTLED = Answer(
    403, "403 Forbidden (Rate Limit Exceeded)\n", {"X-Rate-Limit-Remaining": "12.5"}, "text/plain; charset=utf-8"
)
TOO_MANY = Answer(429, "429 Too Many Requests (Rate Limit Exceeded)\n", {}, "text/plain; charset=utf-8")
BAD_TOKEN = Answer(
    401, {"errors": [{"message": "Invalid access token."}]}, {"WWW-Authenticate": 'Bearer realm="canvas-lms"'}
)
UNAUTHORIZED = Answer(
    403, {"status": "unauthorized", "errors": [{"message": "user not authorized to perform that action"}]}
)
NOT_FOUND = Answer(404, {"errors": [{"message": "The specified resource does not exist."}]})


@dataclass
class Student:
    """A student, and the submission: None where the assignment is not given to them."""

    id: int
    name: str
    sis: str | None = None
    login: str | None = None
    email: str | None = None
    given: bool = True
    entered: float | None = None
    deducted: float | None = None
    excused: bool = False
    closed: bool = False  # in a closed grading period
    comments: list[str] = field(default_factory=list)
    rubric: dict[str, float] = field(default_factory=dict)

    @property
    def score(self):
        return None if self.entered is None else self.entered - (self.deducted or 0)


class Canvas(Platform):
    def __init__(self, *students, **assignment):
        super().__init__()
        self.students = {student.id: student for student in students}
        self.test_student = Student(9999, "Student, Test")
        self.assignment = {
            "id": ASSIGNMENT, "course_id": COURSE, "name": "Homework 1", "points_possible": 10.0, "grading_type": "points", "published": True,
            "moderated_grading": False, **assignment,
        }  # fmt: skip
        self.jobs = {}
        self.scheme: dict[str, float] = {}  # the names of grades, and what they are worth
        self.cleans = self.loses_rubrics = False

    @property
    def at(self):
        return f"{self.base}/courses/{COURSE}/assignments/{ASSIGNMENT}"

    def writes(self, request):
        return request.path.endswith("/update_grades")

    def answer(self, request):
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return BAD_TOKEN
        course = f"/api/v1/courses/{COURSE}"
        here = f"{course}/assignments/{ASSIGNMENT}"
        answers = {
            ("GET", here): lambda: Answer(200, self.assignment),
            ("GET", f"{course}/search_users"): lambda: self._page(request, [*map(_user, self.students.values())]),
            ("GET", f"{here}/submissions"): lambda: self._page(request, self._of_all(request)),
            ("GET", f"{course}/students/submissions"): lambda: self._of_students(request),
            ("POST", f"{here}/submissions/update_grades"): lambda: self._update(request),
            **{("GET", f"/api/v1/progress/{key}"): partial(self._progress, key) for key in self.jobs},
        }
        return answers.get((request.method, request.path), lambda: NOT_FOUND)()

    def _page(self, request, items):
        query = dict(request.query)
        size = min(max(int(query.get("per_page", 10)), 1), MAX_PER_PAGE)
        page = int(query.get("page", 1))
        rest = "&".join(f"{name}={value}" for name, value in request.query if name not in ("page", "per_page"))
        links = {}
        if len(items) > page * size:
            links["Link"] = f'<{self.base}{request.path}?{rest}&page={page + 1}&per_page={size}>; rel="next"'
        return Answer(200, items[(page - 1) * size : page * size], links)

    def _of_all(self, request):
        given = [one for one in [*self.students.values(), self.test_student] if one.given]
        return [self._submission(one, request) for one in sorted(given, key=lambda one: one.id)]

    def _of_students(self, request):
        ids = [int(value) for name, value in request.query if name == "student_ids[]"]
        if len(ids) > MAX_PER_PAGE:
            return Answer(400, {"error": "too many students"})
        if not set(ids) <= set(self.students):
            return UNAUTHORIZED
        if dict(request.query).get("assignment_ids[]") != str(ASSIGNMENT):
            return Answer(403, {"error": "invalid assignment ids requested"})
        return self._page(
            request, [self._submission(self.students[key], request) for key in ids if self.students[key].given]
        )

    def _submission(self, student, request):
        known = {
            "id": 500000 + student.id, "user_id": student.id, "assignment_id": ASSIGNMENT, "score": student.score,
            "entered_score": student.entered, "grade": None if student.score is None else f"{student.score:g}",
            "points_deducted": student.deducted, "excused": student.excused,
            "workflow_state": "unsubmitted" if student.score is None else "graded",
        }  # fmt: skip
        if ("include[]", "submission_comments") in request.query:
            known["rubric_assessment"] = {key: {"points": points} for key, points in student.rubric.items()}
            known["submission_comments"] = [{"id": n, "comment": text} for n, text in enumerate(student.comments)]
        return known

    # The bulk update: a job, which does nothing before it is run.

    def _update(self, request):
        data: dict[str, dict] = {}
        for name, value in request.form:
            if found := re.fullmatch(r"grade_data\[([^]]+)\]((?:\[[^]]+\])+)", name):
                keys = re.findall(r"\[([^]]+)\]", found[2])
                data.setdefault(found[1], {})[tuple(keys)] = value
        if not data:
            return Answer(400, {"error": "'grade_data' parameter required"})
        if not self.assignment["published"]:
            return UNAUTHORIZED
        key = len(self.jobs) + 1
        self.jobs[key] = {"state": "queued", "data": data, "message": None}
        return Answer(200, self._shown(key))

    def _progress(self, key):
        job = self.jobs[key]
        if job["state"] == "running":
            job["message"] = self._process(job["data"], key)
            job["state"] = "failed" if job["message"] else "completed"
        elif job["state"] == "queued":
            job["state"] = "running"
        return Answer(200, self._shown(key))

    def get_on(self):
        for key in [*self.jobs] * 2:
            self._progress(key)

    def _shown(self, key):
        job = self.jobs[key]
        return {
            "id": key, "context_id": COURSE, "context_type": "Course", "tag": "submissions_update",
            "workflow_state": job["state"], "message": job["message"], "url": f"{self.base}/api/v1/progress/{key}",
            "completion": 100.0 if job["state"] == "completed" else None,
        }  # fmt: skip

    def _process(self, data, key):
        """Student by student; who cannot be graded stops it, and what is done stays done."""
        missing = []
        for name, entry in data.items():
            student = self.students.get(int(name)) if name.isdecimal() else None
            if student is None or not student.given:
                missing.append(name)
                continue
            if ("excuse",) in entry and ("posted_grade",) in entry:
                return f"Unexpected error, ID: {key}"
            if ("posted_grade",) in entry or ("excuse",) in entry:
                if student.closed:
                    return f"Unexpected error, ID: {key}"
                self._grade(student, entry.get(("posted_grade",)))
            points = {part[1]: float(value) for part, value in entry.items() if part[0] == "rubric_assessment"}
            if points and not self.loses_rubrics:
                student.rubric = points
                if self.assignment.get("use_rubric_for_grading"):
                    student.entered = sum(points.values())
            if ("text_comment",) in entry:
                text = entry["text_comment",]
                student.comments.append(re.sub(r"<[^>]*>", "", text) if self.cleans else text)
        return f"Couldn't find User(s) with API ids {', '.join(map(repr, missing))}" if missing else None

    def _grade(self, student, text):
        score = self._score(text or "")
        if score != student.score or student.excused:  # what is given is compared with what is left of the last
            student.entered, student.excused = score, False

    def _score(self, text):
        """In percent; as the name of a grade, where these have names; as points; or nothing."""
        if re.fullmatch(r"[+-]?\d*\.?\d+%", text):
            return float(text[:-1]) / 100 * self.assignment["points_possible"]
        if self.assignment["grading_type"] in ("letter_grade", "gpa_scale") and text in self.scheme:
            return self.scheme[text] * self.assignment["points_possible"]
        return float(text) if re.fullmatch(r"[+-]?\d*\.?\d+", text) else None


def _user(student):
    known = {"id": student.id, "name": student.name, "sortable_name": student.name, "short_name": student.name}
    return known | {
        name: value
        for name, value in (("sis_user_id", student.sis), ("login_id", student.login), ("email", student.email))
        if value
    }
