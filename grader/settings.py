"""What the environment decides: where the installation keeps its secret, and the default sandbox.

GRADER_HOME      folder of the installation's own state (default: the platform's data folder)
GRADER_SANDBOX   default of --sandbox
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from grader.errors import GraderFault

if TYPE_CHECKING:
    from collections.abc import Callable

SECRET_BYTES = 32
SEED_BITS = 53  # exact in every JSON reader, those with doubles only included


def sandbox_name() -> str | None:
    """The default backend named by the environment, if any."""
    return os.environ.get("GRADER_SANDBOX") or None


def home() -> Path:
    """The folder of the installation's state."""
    if named := os.environ.get("GRADER_HOME"):
        return Path(named).expanduser()
    data = os.environ.get("XDG_DATA_HOME")
    return (Path(data) if data else Path.home() / ".local" / "share") / "grader"


def seed_for(digest: str) -> int:
    """The seed of a submission: the same file gets the same networks, and nobody can foretell them.

    Raises GraderFault when the installation's secret can be neither read nor created.
    """
    return seeds()(digest)


def seeds(count: int | None = None, occasion: str = "") -> Callable[[str], int]:
    """`seed_for` for many submissions: the secret is read once.

    With a `count`, there are only so many different seeds for an occasion, and so much less to draw; what was seen of
    those tells nothing of another occasion's.
    """
    import hashlib

    secret = _secret(home() / "secret")

    def keyed(text: str) -> int:
        digest = hashlib.blake2b(text.encode(), key=secret, digest_size=8).digest()
        return int.from_bytes(digest, "big") >> (64 - SEED_BITS)

    return keyed if count is None else lambda digest: keyed(f"{occasion}: {keyed(digest) % count} of {count}")


def _secret(path: Path) -> bytes:
    try:
        if not path.exists():
            _create(path)
        return _read(path)
    except OSError as error:
        raise GraderFault(
            f"{path}: the secret that seeds are drawn from cannot be read or created "
            f"({error.strerror}); expected a folder this user can write; set GRADER_HOME to one, or give --seed"
        ) from None


def _create(path: Path) -> None:
    """Create the secret once and whole: whoever comes second keeps the first one's."""
    import secrets

    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"secret.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, secrets.token_bytes(SECRET_BYTES))
        os.fsync(descriptor)
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        os.close(descriptor)
        draft.unlink()


def _read(path: Path) -> bytes:
    mode = stat.S_IMODE(path.stat().st_mode)
    if os.name == "posix" and mode & 0o077:
        raise GraderFault(
            f"{path}: its mode is {mode:04o}; expected 0600, for whoever reads it can foretell "
            f"every network; run: chmod 600 {path}"
        )
    secret = path.read_bytes()
    if len(secret) != SECRET_BYTES:
        raise GraderFault(
            f"{path}: found {len(secret)} bytes; expected {SECRET_BYTES}; remove the file, "
            f"and the next grading makes a new one (and other seeds)"
        )
    return secret
