"""Draw the pictures of the README, with Chromium: a wrong submission, on a desk and on a phone; and a class.

    .venv/bin/python docs/pictures.py [FOLDER]

The pages are those of `grade submit --html` and `grade batch`; FOLDER is docs/pictures unless another is named.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

DOCS = Path(__file__).parent
EXAMPLES = DOCS.parent / "submissions" / "backprop"
SOLUTIONS = DOCS.parent / "tests" / "data" / "solutions"
ROSTER = DOCS / "roster.csv"
QUIET = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
         "--disable-background-networking", "--disable-component-update", "--hide-scrollbars"]  # fmt: skip
PICTURES = {
    "report-desk.png": ("order_swapped", (900, 1240), []),
    "report-phone.png": (
        "sigma_prime_at_activation",
        (400, 1240),
        ["--force-dark-mode", "--blink-settings=preferredColorScheme=0"],
    ),
}


def browser() -> str | None:
    """Chromium, where there is one."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def draw(folder: Path) -> None:
    """Grade, and take a picture of each page."""
    with tempfile.TemporaryDirectory() as scratch:
        for name, (example, size, options) in PICTURES.items():
            page = Path(scratch) / f"{example}.html"
            submission = EXAMPLES / f"{example}.py"
            grade("submit", submission, "--seed", "1", "--html", page)
            photograph(page, folder / name, size, *options)
        grade("batch", a_class(Path(scratch) / "class"), "--out", Path(scratch) / "out", "--roster", ROSTER)
        photograph(Path(scratch) / "out" / "index.html", folder / "class.png", (1100, 1150))


def grade(*arguments: object) -> None:
    subprocess.run([sys.executable, "-m", "grader", *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)


def a_class(folder: Path) -> Path:
    """Everybody on the roster but the last three has handed in a solution of the corpus."""
    folder.mkdir()
    students = [line.split(",")[0] for line in ROSTER.read_text().splitlines()[1:]]
    solutions = sorted(SOLUTIONS.glob("*/*/solution.py"))
    for student, solution in zip(students[:-3], solutions, strict=False):
        shutil.copy(solution, folder / f"{student}.py")
    return folder


def photograph(page: Path, picture: Path, size: tuple[int, int], *options: str) -> None:
    chromium = browser()
    if chromium is None:
        sys.exit("pictures: no Chromium found; expected it as chromium; install it (Debian: apt install chromium)")
    width, height = size
    with tempfile.TemporaryDirectory() as profile:
        command = [chromium, *QUIET, *options, f"--user-data-dir={profile}", f"--window-size={width},{height}"]
        subprocess.run(
            [*command, f"--screenshot={picture}", page.as_uri()], check=True, capture_output=True, timeout=120
        )


if __name__ == "__main__":
    draw(Path(sys.argv[1]) if sys.argv[1:] else DOCS / "pictures")
