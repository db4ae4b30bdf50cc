"""Moodle's web service, as far as an assignment's grades go.

From moodle: mod/assign/externallib.php (save_grades, get_grades, list_participants, get_user_mappings, get_user_flags,
get_submission_status), mod/assign/locallib.php (save_grade, apply_grade_to_user, grading_disabled), the feedback plugin
of comments, and webservice/rest/locallib.php.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from platforms import Answer, Platform

TOKEN = "3f1c9e5a7b2d4c6e8f0a1b2c3d4e5f60"
CMID, INSTANCE, COURSE = 1234, 77, 9
MAX_INPUT_VARS = 1000
READING = {
    "core_course_get_course_module", "mod_assign_get_assignments", "mod_assign_list_participants", "mod_assign_get_grades",
    "mod_assign_get_user_mappings", "mod_assign_get_user_flags", "mod_assign_get_submission_status",
    "gradereport_user_get_grade_items",
}  # fmt: skip


@dataclass
class Student:
    """A participant; `number` is the N of "Participant N", `grade` None where there is no record of one."""

    id: int
    name: str
    idnumber: str = ""
    email: str = ""
    number: int | None = None
    grade: float | None = None
    comment: str | None = None
    state: str = ""
    locked: bool = False
    overridden: bool = False
    fails: bool = False


class Failure(Exception):
    def __init__(self, exception, code, message):
        super().__init__(message)
        self.answer = Answer(200, {"exception": exception, "errorcode": code, "message": message})


class Moodle(Platform):
    def __init__(
        self, *students, functions=frozenset(READING | {"mod_assign_save_grades"}), comments=True, **assignment
    ):
        super().__init__()
        self.students = {student.id: student for student in students}
        self.functions, self.skips = functions, True
        configs = [{"plugin": "file", "subtype": "assignsubmission", "name": "enabled", "value": "1"}]
        if comments:
            configs.append({"plugin": "comments", "subtype": "assignfeedback", "name": "enabled", "value": "1"})
        self.has_comments = comments
        self.assignment = {
            "id": INSTANCE, "cmid": CMID, "course": COURSE, "name": "Homework 1", "grade": 10, "teamsubmission": 0,
            "blindmarking": 0, "markingworkflow": 0, "configs": configs, **assignment,
        }  # fmt: skip

    @property
    def at(self):
        return f"{self.base}/mod/assign/view.php?id={CMID}"

    def calls(self, function):
        return [request for request in self.log if dict(request.form).get("wsfunction") == function]

    def writes(self, request):
        return dict(request.form).get("wsfunction") == "mod_assign_save_grades"

    def answer(self, request):
        if request.path != "/webservice/rest/server.php":
            return Answer(404, "<html>not found</html>", {}, "text/html")
        form = dict(request.form[:MAX_INPUT_VARS])  # PHP drops what is behind it, and says nothing
        if form.get("moodlewsrestformat") != "json":
            return Answer(200, "<?xml version='1.0'?>", {}, "application/xml")
        try:
            if form.get("wstoken") != TOKEN:
                raise Failure("core\\exception\\moodle_exception", "invalidtoken", "Invalid token - token not found")
            function = form["wsfunction"]
            if function not in self.functions:
                raise Failure(
                    "webservice_access_exception", "accessexception", f"Access control exception ({function})"
                )
            known = getattr(self, f"_{function}")(form)
            return Answer(200, "null" if known is None else known)
        except Failure as failure:
            return failure.answer

    def _core_course_get_course_module(self, form):
        if form["cmid"] != str(CMID):
            raise Failure("dml_missing_record_exception", "invalidrecord", "Can't find data record in database table")
        return {"cm": {"id": CMID, "course": COURSE, "modname": "assign", "instance": INSTANCE}, "warnings": []}

    def _mod_assign_get_assignments(self, form):
        assert form["courseids[0]"] == str(COURSE)
        return {"courses": [{"id": COURSE, "assignments": [self.assignment]}], "warnings": []}

    def _mod_assign_list_participants(self, form):
        for name in ("groupid", "filter"):
            if name not in form:
                raise Failure("invalid_parameter_exception", "invalidparameter", f"Missing required key: {name}")
        skip, limit = int(form.get("skip", 0)) * self.skips, int(form.get("limit", 0))
        everybody = list(self.students.values())[skip:]
        return [self._shown(one) for one in (everybody[:limit] if limit else everybody)]

    def _shown(self, student):
        known = {"id": student.id, "fullname": student.name, "submitted": True, "requiregrading": True, "recordid": -1}
        return known | {name: getattr(student, name) for name in ("idnumber", "email") if getattr(student, name)}

    def _mod_assign_get_user_mappings(self, form):
        mapped = [{"id": one.number, "userid": one.id} for one in self.students.values() if one.number]
        return {"assignments": [{"assignmentid": INSTANCE, "mappings": mapped}] if mapped else [], "warnings": []}

    def _mod_assign_get_user_flags(self, form):
        flags = [
            {"id": one.id, "userid": one.id, "locked": 0, "mailed": 0, "workflowstate": one.state}
            for one in self.students.values()
            if one.state
        ]
        return {"assignments": [{"assignmentid": INSTANCE, "userflags": flags}], "warnings": []}

    def _mod_assign_get_grades(self, form):
        grades = [
            {"id": one.id, "userid": one.id, "attemptnumber": 0, "grade": f"{one.grade:.5f}"}
            for one in self.students.values()
            if one.grade is not None
        ]
        if not grades:
            return {"assignments": [], "warnings": [{"item": "assignment", "itemid": INSTANCE, "warningcode": "3"}]}
        return {"assignments": [{"assignmentid": INSTANCE, "grades": grades}], "warnings": []}

    def _mod_assign_get_submission_status(self, form):
        student = self.students[int(form["userid"])]
        released = not self.assignment["markingworkflow"] or student.state == "released"
        if not (released and (student.comment or (student.grade or -1) >= 0)):
            return {"warnings": []}
        text = (
            student.comment
            if form.get("moodlewssettingraw") == "1"
            else f'<div class="no-overflow">{student.comment}</div>'
        )
        fields = [{"name": "comments", "description": "Feedback comments", "text": text or "", "format": 1}]
        return {
            "feedback": {"plugins": [{"type": "comments", "name": "Feedback comments", "editorfields": fields}]},
            "warnings": [],
        }

    def _gradereport_user_get_grade_items(self, form):
        return {
            "usergrades": [
                {"userid": one.id, "gradeitems": [
                    {"itemmodule": "quiz", "iteminstance": INSTANCE, "gradeislocked": True},
                    {"itemmodule": "assign", "iteminstance": INSTANCE, "locked": None, "gradeislocked": one.locked,
                     "gradeisoverridden": one.overridden},
                ]}
                for one in self.students.values()
            ],
            "warnings": [],
        }  # fmt: skip

    # Saving, grade by grade: what is saved before a failure stays.

    def _mod_assign_save_grades(self, form):
        for name in ("assignmentid", "applytoall"):
            if name not in form:
                raise Failure("invalid_parameter_exception", "invalidparameter", f"Missing required key: {name}")
        grades = self._parsed(form)
        for grade in grades:
            self._save(grade)

    def _parsed(self, form):
        grades: dict[int, dict[str, str]] = {}
        for name, value in form.items():
            if found := re.fullmatch(r"grades\[(\d+)\](.+)", name):
                grades.setdefault(int(found[1]), {})[found[2]] = value
        allowed = {
            "[userid]", "[grade]", "[attemptnumber]", "[addattempt]", "[workflowstate]",
            "[plugindata][assignfeedbackcomments_editor][text]", "[plugindata][assignfeedbackcomments_editor][format]",
        }  # fmt: skip
        for grade in grades.values():
            if extra := set(grade) - allowed:
                raise Failure("invalid_parameter_exception", "invalidparameter", f"Unexpected keys ({extra})")
            for name in ("userid", "grade", "attemptnumber", "addattempt", "workflowstate"):
                if f"[{name}]" not in grade:
                    raise Failure("invalid_parameter_exception", "invalidparameter", f"Missing required key: {name}")
            float(grade["[grade]"])
        return [grades[n] for n in sorted(grades)]

    def _save(self, grade):
        student = self.students.setdefault(int(grade["[userid]"]), Student(int(grade["[userid]"]), "Somebody"))
        if student.fails:
            raise Failure("dml_write_exception", "dmlwriteexception", "Error writing to database")
        if self.has_comments:
            text = grade.get("[plugindata][assignfeedbackcomments_editor][text]")
            if (student.comment or "") != (text or ""):
                student.comment = text  # what is not sent is erased
        if student.locked or student.overridden:
            student.grade = -1.0 if student.grade is None else student.grade
            return
        if self.assignment["markingworkflow"]:
            student.state = grade["[workflowstate]"]
        points = float(grade["[grade]"])
        if -1 <= points <= self.assignment["grade"]:
            student.grade = round(points, 5)
        elif student.grade is None:
            student.grade = -1.0
