"""Forms: what they give, as the interface takes it, and how they are done or come back with what was typed into them.

It knows no page.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeVar

from fastapi import Form, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import AfterValidator, BaseModel, ValidationError
from starlette.concurrency import run_in_threadpool

from grader.errors import UsageError
from grader.service.identity import engine_of
from grader.service.problems import Problem
from grader.store.database import reading

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pydantic_core import ErrorDetails
    from sqlalchemy import Connection
    from starlette.datastructures import FormData

Shape = TypeVar("Shape", bound=BaseModel)
Words = Annotated[str, Form()]  # how long it may be, and whether it may be missing, the shapes know
Line = Annotated[str, AfterValidator(str.strip), Form()]
_SECRET = {"csrf", "token"}  # fields that no page gives back


class Refusal(NamedTuple):
    """Why a form was refused, the address it was sent to and what was typed into it; or nothing, where none was."""

    why: str = ""
    status: int = 200
    at: str = ""
    sent: Mapping[str, Sequence[str]] = MappingProxyType({})

    def given(self, at: str, name: str, otherwise: Any = "") -> Any:
        """What was typed into a field of the form of this address; `otherwise` where no such form was refused."""
        return self.sent.get(name, [otherwise])[0] if at == self.at else otherwise

    def chosen(self, at: str, name: str, value: str) -> bool:
        """Whether this box of the form of this address was ticked."""
        return at == self.at and value in self.sent.get(name, ())

    def holding(self, **fields: str) -> Refusal:
        """The same, with other texts in these fields."""
        return self._replace(sent={**self.sent, **{name: [text] for name, text in fields.items()}})


NONE = Refusal()


def _sent(form: FormData) -> dict[str, list[str]]:
    """The texts of a form, but for what is secret."""
    texts: dict[str, list[str]] = {}
    for name, value in form.multi_items():
        if isinstance(value, str) and name not in _SECRET:
            texts.setdefault(name, []).append(value)
    return texts


class Again(Exception):
    """A form that could not be done: its page is shown again, with why and with what was typed."""

    def __init__(self, error: Problem | UsageError, page: Callable[[Connection, Refusal], Response]) -> None:
        super().__init__(str(error))
        self.status, self.page = error.status if isinstance(error, Problem) else 400, page


def done(act: Callable[[], str | Response], again: Callable[[Connection, Refusal], Response]) -> Response:
    """What `act` gives, or on to that address. Raises Again where it cannot be done: then nothing is."""
    try:
        made = act()
    except (Problem, UsageError) as error:
        raise Again(error, again) from None
    return RedirectResponse(made, 303) if isinstance(made, str) else made


async def shown_again(request: Request, again: Again) -> Response:
    """After the transaction of the form has been taken back: a page takes long, and others want to write.

    Raises Problem where the page is closed to whoever sent the form.
    """
    refusal = Refusal(str(again), again.status, request.url.path, _sent(await request.form()))

    def page() -> Response:
        with reading(engine_of(request)) as db:
            return again.page(db, refusal)

    return await run_in_threadpool(page)


# What a form gives.


def filled(shape: type[Shape], **fields: Any) -> Shape:
    """What a form gives, as the interface takes it; what was left blank is not given. Raises Problem."""
    told = {name: value for name, value in fields.items() if value is not None and str(value).strip()}
    for name, value in told.items():
        _refuse_nul(name, value)
    try:
        return shape.model_validate(told)
    except ValidationError as error:
        raise Problem(422, _told(error.errors()[0])) from None


def _refuse_nul(name: str, value: Any) -> None:
    """One database keeps it, and another does not."""
    if any("\0" in str(text) for text in (value if isinstance(value, list) else [value])):
        raise Problem(422, f"{_plain(name)}: it holds a NUL; expected plain text; take that out")


def _told(wrong: ErrorDetails) -> str:
    """What is wrong with a field, in our words where it is of a kind that can be typed."""
    name, found = _plain(wrong["loc"][0]), repr(str(wrong["input"])[:40])
    told = _WORDS.get(wrong["type"], "found {found}; {msg}; correct it")
    return f"{name}: {told.format(found=found, msg=wrong['msg'], **wrong.get('ctx', {}))}"


def _plain(name: int | str) -> str:
    return str(name).replace("_", " ")


_NUMBER, _WHOLE = (f"found {{found}}; expected a {kind}; correct it" for kind in ("number", "whole number"))
_WORDS = {  # by pydantic's names
    "missing": "it is missing; expected it; fill it in",
    "string_too_long": "it is too long; expected {max_length} letters at most; shorten it",
    "string_pattern_mismatch": "found {found}; expected such as ada@x.edu; correct it",  # no other has a pattern
    "literal_error": "found {found}; expected {expected}; choose one",
    "decimal_parsing": _NUMBER,
    "finite_number": _NUMBER,
    "decimal_max_places": "found {found}; expected {decimal_places} decimal places at most; round it",
    "int_parsing": _WHOLE,
    "int_parsing_size": _WHOLE,
    "greater_than_equal": "found {found}; expected {ge} at least; correct it",
    "less_than_equal": "found {found}; expected {le} at most; correct it",
}
