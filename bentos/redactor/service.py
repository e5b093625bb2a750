"""The redactor: `POST /redact` returns a text with its personal data replaced, and the findings.

The Open Inference Protocol answers texts, too: `/v2/models/redactor/infer`, BYTES to BYTES (see model.py).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import bentoml
from pydantic import BaseModel, Field

from bentos.redactor.page import app
from governance import Governance
from governance.privacy.change.context import Context
from governance.privacy.change.text import AnonymizationProfile, TextAnonymizer
from governance.privacy.find.detect import Detectors

MAX_CHARACTERS = 200_000

governance = Governance.from_file(Path(__file__).with_name("governance.toml"))


class Found(BaseModel):
    """One finding: `start` and `end` are code points of the text that was sent."""

    entity: str
    start: int
    end: int
    score: float


class Redaction(BaseModel):
    """A redacted text, and the findings in the original one."""

    text: str
    findings: list[Found]


@governance.guard
@bentoml.service(name="redactor")
@bentoml.asgi_app(app, path="/page")
class Redactor:
    """Finds personal data by patterns and by the tagger, and replaces each finding by its kind."""

    def __init__(self) -> None:
        self.detectors = Detectors(governance.open_tagger())
        self.anonymizer = TextAnonymizer(self.detectors, AnonymizationProfile.parse({}), Context())

    @bentoml.api
    def redact(self, text: Annotated[str, Field(max_length=MAX_CHARACTERS)]) -> Redaction:
        """Replace the personal data in a text."""
        findings = self.detectors.find(text)
        return Redaction(
            text=self.anonymizer.change(text, findings).text,
            findings=[Found(entity=f.entity, start=f.start, end=f.end, score=f.score) for f in findings],
        )
