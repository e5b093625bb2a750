"""Bill of materials of models: CycloneDX 1.6 components of type `machine-learning-model` for verified artifacts.

Source: https://cyclonedx.org/docs/1.6/json/ (components, modelCard).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from governance.artifacts.seal import SealedFacts
from governance.errors import ConfigurationError

SPECIFICATION = "1.6"


def bill_of(components: Sequence[Mapping[str, Any]], *, serial: UUID, made: datetime, version: str) -> dict[str, Any]:
    """Return a new CycloneDX document.

    Args:
        components: The components.
        serial: Unique id of the document.
        made: Time of the document.
        version: Version of this package, which the document names as its tool.
    """
    return {
        "bomFormat": "CycloneDX",
        "specVersion": SPECIFICATION,
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {
            "timestamp": made.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "tools": {"components": [{"type": "application", "name": "bento-governance", "version": version}]},
        },
        "components": list(components),
    }


def bill_into(base: Mapping[str, Any], components: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a CycloneDX document of another tool with components added.

    Args:
        base: The document, for example of a Python environment.
        components: Components to add.

    Raises:
        ConfigurationError: if it is not a CycloneDX 1.6 document, or contains one of the models already.
    """
    present = base.get("components", [])
    if (
        base.get("bomFormat") != "CycloneDX"
        or base.get("specVersion") != SPECIFICATION
        or not isinstance(present, list)
    ):
        raise ConfigurationError(f"models can only be added to a CycloneDX {SPECIFICATION} document (JSON)")
    references = {item.get("bom-ref") for item in present if isinstance(item, dict)}
    for component in components:
        if component["bom-ref"] in references:
            raise ConfigurationError(f"the document contains {component['bom-ref']} already")
    return {**base, "components": [*present, *components]}


def model_component(facts: SealedFacts, card: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the component of one model: its files with their digests, its signers, and its card.

    Args:
        facts: Facts of a verified artifact.
        card: The signed card, or None if the artifact was not decrypted.
    """
    component: dict[str, Any] = {
        "type": "machine-learning-model",
        "bom-ref": f"model:{facts.name}@{facts.version}",
        "name": facts.name,
        "version": str(facts.version),
        "hashes": [{"alg": "SHA-256", "content": facts.manifest.root}],
        "properties": [
            {"name": "bento-governance:digest", "value": facts.digest},
            {"name": "bento-governance:sealed", "value": facts.created},
            *({"name": "bento-governance:signer", "value": signer} for signer in facts.signers),
        ],
        "components": [
            {
                "type": "file",
                "name": entry.path,
                "hashes": [{"alg": "SHA-256", "content": entry.sha256}],
                "properties": [{"name": "bento-governance:bytes", "value": str(entry.size)}],
            }
            for entry in facts.manifest.files
        ],
    }
    return component if card is None else {**component, "modelCard": _model_card(card)}


def _model_card(card: Mapping[str, Any]) -> dict[str, Any]:
    """Return the CycloneDX `modelCard` with the fields that the card has."""
    parameters: dict[str, Any] = {}
    if isinstance(card.get("task"), str):
        parameters["task"] = card["task"]
    for side in ("inputs", "outputs"):
        parameters[side] = [{"format": _format(item)} for item in _objects(card.get(side))]
    data = card.get("data")
    if isinstance(data, Mapping) and isinstance(data.get("source"), str):
        parameters["datasets"] = [{"type": "dataset", "name": data["source"]}]
    scores = card.get("scores")
    metrics = [
        {"type": name, "value": str(value)}
        for name, value in (scores if isinstance(scores, Mapping) else {}).items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    ]
    made: dict[str, Any] = {"modelParameters": parameters, "quantitativeAnalysis": {"performanceMetrics": metrics}}
    purposes = card.get("intended_purposes")
    if isinstance(purposes, list):
        made["considerations"] = {"useCases": [str(purpose) for purpose in purposes]}
    return made


def _objects(value: object) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _format(item: Mapping[str, Any]) -> str:
    return f"{item.get('name', '')} {item.get('datatype', '')} {item.get('shape', '')}".strip()
