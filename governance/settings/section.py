"""The base class of every section, and the types that several sections share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from governance.errors import ConfigurationError

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Pointer = Annotated[str, Field(pattern=r"^(/[^/]+)+$")]


class Section(BaseModel):
    """Base of every section: frozen, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def checked_by(reader: Callable[[str], object]) -> AfterValidator:
    """Check a text by the parser of the domain package that uses it, so that a wrong one stops the start."""

    def check(text: str) -> str:
        try:
            reader(text)
        except ConfigurationError as error:
            raise ValueError(str(error)) from None
        return text

    return AfterValidator(check)
