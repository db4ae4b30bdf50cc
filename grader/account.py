"""As whom the grader signs in at a platform: secrets from the environment, or from a file nobody else can read.

Never from an argument, which everybody on the machine can see; and none is ever part of a message.
"""

from __future__ import annotations

import os
import stat
import tomllib
from typing import TYPE_CHECKING, NamedTuple

from pydantic import SecretStr

from grader import settings
from grader.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FILE = "accounts.toml"


class Wanted(NamedTuple):
    """Something to sign in with, and where it is found on the platform."""

    what: str
    needed: bool = True


def read(platform: str, wanted: Mapping[str, Wanted], file: Path | None) -> dict[str, SecretStr]:
    """All that is known of what is wanted, by name: of the `file` before the environment's, or else of that before what
    FILE has in the installation's folder. Raises UsageError for what is needed and nowhere, or no such thing.
    """
    path = file or settings.home() / FILE
    table = _table(path, platform, given=file is not None)
    if strange := sorted(set(table) - set(wanted)):
        raise UsageError(f"{path}: [{platform}] has {', '.join(strange)}; expected {', '.join(wanted)}; correct that")
    found = {}
    for name, one in wanted.items():
        variable = f"GRADER_{platform}_{name}".upper()
        from_file = name in table and (file is not None or not os.environ.get(variable, "").strip())
        place = f"{path}: [{platform}] {name}" if from_file else variable
        text = table[name] if from_file else os.environ.get(variable, "")
        if not isinstance(text, str) or not _is_plain(text):
            raise UsageError(f"{place}: it is no such text as is expected: {one.what}; copy it again")
        if text.strip():
            found[name] = SecretStr(text.strip())
        elif one.needed:
            raise UsageError(
                f"--to {platform}: there is no {name}; expected {one.what}; set {variable} in the environment, or "
                f'write {name} = "..." under [{platform}] in {path}, with mode 0600'
            )
    return found


def _is_plain(text: str) -> bool:
    """Whether it can stand in a request: a key in its armour, or printable and without spaces."""
    text = text.strip()
    return text.isascii() and (text.startswith("-----BEGIN ") or (text.isprintable() and " " not in text))


def _table(path: Path, platform: str, *, given: bool) -> dict[str, object]:
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if os.name == "posix" and mode & 0o077:
                raise UsageError(
                    f"{path}: its mode is {mode:04o}; expected 0600, for whoever reads it can sign in as you; run: "
                    f"chmod 600 {path}"
                )
            table = tomllib.load(file).get(platform, {})
    except FileNotFoundError:
        if not given:
            return {}
        raise UsageError(f"{path}: it is not there; expected a file of secrets; name one that is") from None
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise UsageError(f"{path}: it cannot be read ({why}); expected a file of secrets; name another") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        where = str(error).rpartition("(")[2].rstrip(")") if "(at " in str(error) else "somewhere"
        raise UsageError(
            f'{path}: it is no TOML ({where}); expected a line [{platform}], and below it name = "text"; mend it'
        ) from None
    if not isinstance(table, dict):
        raise UsageError(f"{path}: {platform} is no table; expected a line [{platform}]; mend it")
    return table
