"""The interface against its own description: whatever is asked is answered as that says, and never by a fault."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime

import httpx
from served import serving

from grader.store import database, people

CASES = 2  # of each kind of an operation
# Not asked for: what is a rubric or a gradebook, no description of JSON says; and who is in a course, is in no other.
# What is larger than anything may be is refused for that before it is looked at. What a file holds is its own: a text
# that says "false" is no boolean.
CHECKS = """
[checks]
positive_data_acceptance.enabled = false
ensure_resource_availability.enabled = false
negative_data_rejection.expected-statuses = ["4xx", "5xx"]

[[operations]]
include-method = "POST"
include-path-regex = "/(submissions|batches|exports|roster)$"
checks.negative_data_rejection.enabled = false
"""


def test_it_is_as_it_describes_itself(tmp_path):
    with serving(tmp_path) as (_, link):
        base = link.partition("/enter")[0]
        config = tmp_path / "schemathesis.toml"
        token = _admin(f"sqlite:///{tmp_path}/service/grader.db")
        things = "".join(f'{name} = "{key}"\n' for name, key in _things(base, token).items())
        config.write_text(f"{CHECKS}\n[parameters]\n{things}")
        command = [sys.executable, "-m", "schemathesis.cli", f"--config-file={config}", "run"]
        options = [f"--max-examples={CASES}", "--no-color", "--suppress-health-check=all"]
        options += [
            "--exclude-path=/api/v1/courses/{course}/members/{person}"
        ]  # it would take them away from the others
        asked = [f"--header=Authorization: Bearer {token}", f"{base}/api/v1/openapi.json"]
        ran = subprocess.run([*command, *options, *asked], capture_output=True, text=True, cwd=tmp_path, check=False)
        assert ran.returncode == 0, ran.stdout[-8000:] + ran.stderr[-2000:]
        assert httpx.get(f"{base}/healthz").status_code == 200


def _admin(url):
    engine = database.connect(url)
    with database.writing(engine) as db:
        token = people.issue(db, people.find(db, 1), "test", ["all"], datetime.now(UTC))
    engine.dispose()
    return token


def _things(base, token):
    """Something of every kind, for addresses to lead to."""
    with httpx.Client(base_url=f"{base}/api/v1", headers={"Authorization": f"Bearer {token}"}) as service:
        course = service.get("/courses").json()[0]["id"]
        assignment = service.get(f"/courses/{course}/assignments").json()[0]["id"]
        [person] = service.put(f"/courses/{course}/members", json=[{"name": "Ada", "key": "1"}]).json()
        handed_in = service.post(
            f"/assignments/{assignment}/members/submissions", data={"student": "1"}, files={"file": ("a.py", b"x = 1")}
        )
        export = service.post(f"/assignments/{assignment}/exports", data={"platform": "csv"}).json()
    return {
        "course": course, "assignment": assignment, "person": person["id"], "submission": handed_in.json()["id"],
        "export": export["id"],
    }  # fmt: skip
