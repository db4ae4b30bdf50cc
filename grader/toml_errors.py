"""Mistakes in a TOML file, in the words of its author: file, line, key path, what was found, what was expected.

It translates the complaints of tomllib, and those of pydantic about any model. It knows nothing of
what the file is for.
"""

from __future__ import annotations

import re
import tomllib
from datetime import date, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel

from grader import toml_lines
from grader.errors import UsageError, nearest

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

    Keys = tuple[str | int, ...]

LONGEST_VALUE = 60  # characters shown of what was found


def decode(path: Path, data: bytes) -> str:
    """The text of a TOML file, with or without a byte-order mark. Raises UsageError when it is not UTF-8."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{path}:{line}: found bytes that are not UTF-8; expected a TOML file; save it so") from None


def parse(path: Path, text: str) -> dict[str, Any]:
    """What a TOML file says, its decimal numbers exact. Raises UsageError when it is not TOML."""
    try:
        return tomllib.loads(text, parse_float=Decimal)
    except RecursionError:
        raise UsageError(f"{path}: found values nested too deep to be read; expected tables; correct it") from None
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"at line (\d+)", str(error))
        place = f"{path}:{line[1]}" if line else str(path)
        raise UsageError(f"{place}: it is not TOML: {error}; correct that") from None


def explain(path: Path, text: str, model: type[BaseModel], error: ValidationError) -> str:
    """Every mistake that a model finds in a file, a line each."""
    return "\n".join(_problem(path, text, model, details) for details in error.errors())


def place(path: Path, text: str, keys: Keys) -> str:
    """Where a key stands: rubrics/backprop.toml:12: criteria[2].points."""
    written = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).lstrip(".")
    line = toml_lines.find(text, keys)
    return f"{path}{f':{line}' if line else ''}: {written}"


def _problem(path: Path, text: str, model: type[BaseModel], details: ErrorDetails) -> str:
    keys = details["loc"]
    where, table = place(path, text, keys), _model_at(model, keys[:-1])
    if details["type"] == "extra_forbidden":
        known = list(table.model_fields) if table else []
        near = nearest(str(keys[-1]), known)
        advice = f"did you mean {near}?" if near else "remove it"
        return f"{where}: found an unknown key; expected one of: {', '.join(known)}; {advice}"
    if details["type"] == "missing":
        meaning = table.model_fields[str(keys[-1])].description if table else None
        return f"{where}: found nothing; expected this key{f' ({meaning})' if meaning else ''}; add it"
    return f"{where}: found {_shown(details['input'])}; expected {_expected(details)}; change it"


def _model_at(model: type[BaseModel] | None, keys: Keys) -> type[BaseModel] | None:
    """The model of the table at a key path."""
    for key in keys:
        if model and isinstance(key, str):
            field = model.model_fields.get(key)
            model = _model_in(field.annotation) if field else None
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model in an annotation such as Model, Model | None or tuple[Model, ...]."""
    if arguments := get_args(annotation):
        return next(filter(None, map(_model_in, arguments)), None)
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _shown(value: Any) -> str:
    """A value as TOML would write it."""
    if isinstance(value, dict | list):
        return "a table" if isinstance(value, dict) else "a list"
    if isinstance(value, bool | Decimal):
        return str(value).lower()
    text = str(value) if isinstance(value, date | time) else repr(value)
    return text if len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE] + "..."


def _expected(details: ErrorDetails) -> str:
    if details["type"] == "value_error":
        return str(details["ctx"]["error"])
    if details["type"] == "string_too_short":
        return "some text"
    told = details["msg"].replace("valid ", "")
    for lead in ("Input should be ", "Decimal input should have "):
        told = told.removeprefix(lead)
    return "a list of tables" if "tuple" in told else "a table" if "dictionary" in told else told
