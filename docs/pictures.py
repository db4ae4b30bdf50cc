"""Draw the pictures of reports in the README, with Chromium: a wrong submission, on a desk and on a phone in the dark.

    .venv/bin/python docs/pictures.py [FOLDER]

The pages are those of `grade submit --html`; FOLDER is docs/pictures unless another is named.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

DOCS = Path(__file__).parent
EXAMPLES = DOCS.parent / "submissions" / "backprop"
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
    chromium = browser()
    if chromium is None:
        sys.exit("pictures: no Chromium found; expected it as chromium; install it (Debian: apt install chromium)")
    with tempfile.TemporaryDirectory() as scratch:
        for name, (example, (width, height), options) in PICTURES.items():
            page = Path(scratch) / f"{example}.html"
            grade = [
                sys.executable,
                "-m",
                "grader",
                "submit",
                str(EXAMPLES / f"{example}.py"),
                "--seed",
                "1",
                "--html",
                str(page),
            ]
            subprocess.run(grade, check=True, stdout=subprocess.DEVNULL)
            command = [
                chromium,
                *QUIET,
                *options,
                f"--user-data-dir={scratch}/profile",
                f"--window-size={width},{height}",
            ]
            subprocess.run(
                [*command, f"--screenshot={folder / name}", page.as_uri()], check=True, capture_output=True, timeout=120
            )


if __name__ == "__main__":
    draw(Path(sys.argv[1]) if sys.argv[1:] else DOCS / "pictures")
