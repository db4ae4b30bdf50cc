"""What a rubric says: criteria and their points, how answers are compared, limits, lateness.

It knows nothing of mathematics, nor whether an assignment has the parts it names.
"""

from __future__ import annotations

import hashlib
import os
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    WithJsonSchema,
)

from grader import toml_errors, values
from grader.errors import UsageError, nearest

if TYPE_CHECKING:
    from collections.abc import Iterator

MIB = 2**20


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ValueError("a number, without quotes")
    return value


def _moment(value: Any) -> datetime:
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ValueError("a date and time with its zone, without quotes, such as 2026-10-11T23:59:00+09:00")
    return value


def _some(criteria: tuple[Any, ...]) -> tuple[Any, ...]:
    if not criteria:
        raise ValueError("at least one criterion")
    return criteria


def _schema(**bounds: float) -> WithJsonSchema:
    """A number and nothing else: pydantic's own schema of a Decimal would allow a text."""
    return WithJsonSchema({"type": "number", **bounds})


# Every number has an upper bound: one that nobody means is a slip of the pen.
_Number = Annotated[Decimal, BeforeValidator(_number)]
Fraction = Annotated[_Number, Field(ge=0, le=1), _schema(minimum=0, maximum=1)]
Percent = Annotated[_Number, Field(ge=0, le=100), _schema(minimum=0, maximum=100)]
Points = Annotated[_Number, Field(ge=0, le=1_000_000, decimal_places=2), _schema(minimum=0, maximum=1_000_000)]
Seconds = Annotated[_Number, Field(gt=0, le=86_400), _schema(exclusiveMinimum=0, maximum=86_400)]
Minutes = Annotated[_Number, Field(ge=0, le=525_600), _schema(minimum=0, maximum=525_600)]
Mebibytes = Annotated[_Number, Field(ge=16, le=1_048_576), _schema(minimum=16, maximum=1_048_576)]
Kibibytes = Annotated[_Number, Field(ge=0, le=8192), _schema(minimum=0, maximum=8192)]
Tolerance = Annotated[_Number, Field(gt=0, lt=1), _schema(exclusiveMinimum=0, exclusiveMaximum=1)]
Moment = Annotated[datetime, BeforeValidator(_moment)]
Text = Annotated[str, Field(strict=True, min_length=1)]
Flag = Annotated[bool, Field(strict=True)]

_DEFAULTS = values.Limits()


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Criterion(_Table):
    """One part of the homework, graded by itself."""

    id: Text = Field(description="A part of the assignment, such as a3")
    title: Text = Field(description="What a student reads")
    function: Text = Field(description="The student's function that answers it")
    points: Points = Field(description="Points when every answer is right")
    visible: Flag = Field(default=True, description="Whether a student sees it, its verdict and its points")


class Comparison(_Table):
    """How an answer is compared with the reference."""

    relative_tolerance: Tolerance = Field(
        default=Decimal("1e-5"), description="Largest max|S - R| / max|R| that is right"
    )
    finite_differences_lose: Fraction = Field(
        default=Decimal(0), description="Fraction of a right criterion lost where it was found by finite differences"
    )


class Limits(_Table):
    """What one submission may use."""

    call_seconds: Seconds = Field(default=Decimal(_DEFAULTS.call_seconds), description="Seconds one call may take")
    submission_seconds: Seconds = Field(
        default=Decimal(_DEFAULTS.submission_seconds),
        description="Seconds loading the file may take, and all calls together, shared equally among the functions",
    )
    memory_mib: Mebibytes = Field(
        default=Decimal(_DEFAULTS.memory_bytes) / MIB, description="Memory beyond numpy's own, in MiB"
    )
    output_kib: Kibibytes = Field(
        default=Decimal(_DEFAULTS.output_kept_bytes) / 1024, description="How much of what it prints is kept, in KiB"
    )


class PartialCredit(_Table):
    """What a recognised misconception is worth."""

    enabled: Flag = Field(default=True, description="Whether anything but a right criterion earns points")
    overrides: dict[str, Fraction] = Field(
        default_factory=dict, description="Fraction of a criterion by misconception, instead of the assignment's own"
    )


class Feedback(_Table):
    """What a student is told besides verdicts and points; for an exam, perhaps nothing."""

    hints: Flag = Field(default=True, description="Whether students see mistakes by name, questions and steps")
    counterexamples: Flag = Field(
        default=True, description="Whether the smallest wrong network is shown, with its answer"
    )


class Late(_Table):
    """What a late submission loses."""

    deadline: Moment = Field(description="With its time zone")
    percent_per_day: Percent = Field(description="Lost for each day begun since the deadline")
    floor_percent: Percent = Field(default=Decimal(0), description="What is left however late it is")
    grace_minutes: Minutes = Field(default=Decimal(0), description="Late by no more costs nothing")


class Attempts(_Table):
    """Which of several attempts counts."""

    counts: Literal["latest", "best"] = Field(
        default="latest", description="The latest attempt, or the one with most points, what being late costs taken off"
    )


class Rubric(_Table):
    """How one assignment is graded."""

    id: Text = Field(description="Its name in reports")
    title: Text = Field(description="The homework's title")
    assignment: Text = Field(description="The assignment's name, or the path of its file, from this file's folder")
    criteria: Annotated[tuple[Criterion, ...], AfterValidator(_some), Field(json_schema_extra={"minItems": 1})] = Field(
        description="The parts that are graded, each with its points"
    )
    comparison: Comparison = Comparison()
    limits: Limits = Limits()
    partial_credit: PartialCredit = PartialCredit()
    feedback: Feedback = Feedback()
    late: Late | None = None
    attempts: Attempts = Attempts()

    _path: Path = PrivateAttr(default=Path())
    _text: str = PrivateAttr(default="")

    @property
    def path(self) -> Path:
        """Where it was read from."""
        return self._path

    @property
    def sha256(self) -> str:
        """The fingerprint of its text; of its content where it was not read from a file."""
        return hashlib.sha256((self._text or self.model_dump_json()).encode()).hexdigest()

    def execution_limits(self) -> values.Limits:
        """The limits in the sandbox's units."""
        return values.Limits(
            call_seconds=float(self.limits.call_seconds),
            submission_seconds=float(self.limits.submission_seconds),
            memory_bytes=int(self.limits.memory_mib * MIB),
            output_kept_bytes=int(self.limits.output_kib * 1024),
        )

    def place(self, *keys: str | int) -> str:
        """Where a key stands, for a message: rubrics/backprop.toml:12: criteria[2].points."""
        return toml_errors.place(self._path, self._text, keys)


def schema() -> dict[str, Any]:
    """The JSON Schema of a rubric file, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Rubric.model_json_schema()}


def find(name: str) -> Path:
    """The file of a rubric given by path, or by name: in ./rubrics, else among those that come with the grader.

    Raises UsageError when there is none.
    """
    if name.endswith(".toml") or Path(name).name != name:
        return Path(name)
    folders = [Path("rubrics"), *_shipped()]
    for folder in folders:
        if os.path.isfile(path := folder / f"{name}.toml"):  # noqa: PTH113 pathlib raises where one may not look
            return path
    known = sorted({path.stem for folder in folders for path in folder.glob("*.toml")})
    near = nearest(name, known)
    raise UsageError(
        f"rubric {name!r}: there is none of this name; expected a path or one of: {', '.join(known)}"
        + (f"; did you mean {near!r}?" if near else "; correct the name")
    )


def _shipped() -> Iterator[Path]:
    package = Path(__file__).parent
    yield package / "rubrics"  # installed
    yield package.parent / "rubrics"  # in the repository


def read(path: Path) -> Rubric:
    """The rubric in a file. Raises UsageError that names every mistake in it."""
    return parsed(toml_errors.decode(path, _bytes(path)), path)


def parsed(text: str, path: Path) -> Rubric:
    """The rubric in a text; `path` is what messages call it, and what stands beside it. Raises UsageError as `read`."""
    raw = toml_errors.parse(path, text)
    try:
        rubric = Rubric.model_validate(raw)
    except ValidationError as error:
        raise UsageError(toml_errors.explain(path, text, Rubric, error)) from None
    rubric._path, rubric._text = path, text  # noqa: SLF001 its own module
    _refuse_duplicates(rubric)
    return rubric


def _bytes(path: Path) -> bytes:
    try:
        if path.exists() and not path.is_file():
            raise UsageError(f"rubric {path}: it is no file; expected a TOML file; name the file in it")
        return path.read_bytes()
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise UsageError(f"rubric {path}: {why}; expected a TOML file that can be read; correct the path") from None


def _refuse_duplicates(rubric: Rubric) -> None:
    ids = [criterion.id for criterion in rubric.criteria]
    for n, criterion_id in enumerate(ids):
        if criterion_id in ids[:n]:
            place = rubric.place("criteria", n, "id")
            raise UsageError(
                f"{place}: found {criterion_id!r} a second time; expected each part once; remove one of them"
            )
