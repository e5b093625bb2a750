"""What `artifact seal` checks of a model before it is signed: all that a server checks when it opens it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import click

from governance.access.policies.model_card import read_card
from governance.artifacts.format.sources import CARD_FILE, GRAPH_FILE, PROFILE_FILE, SourceFile, bytes_source
from governance.drift.profile import SignedProfile
from governance.errors import ConfigurationError, ManifestMismatchError
from governance.privacy.request.card_rules import CardRules
from governance.runtime.model import open_model
from governance.runtime.session import Plan, UnavailableError, place
from governance.runtime.signature import card_entries, signature_of
from governance.settings import RuntimeSettings


def completed(files: Sequence[SourceFile], name: str, version: int) -> tuple[SourceFile, ...]:
    """Return the files with a complete card, after opening the model and running it once as a server does.

    A card without `inputs` or `outputs`, or no card, gets those of the graph. A model that this machine
    cannot run, since it has no kernel or no ONNX Runtime, is not opened if its card is complete.

    Args:
        files: Files that the scan has admitted.
        name: Name of the model.
        version: Its version.

    Raises:
        ConfigurationError: if there is no model, or ONNX Runtime cannot load it; the message says what to do.
        ManifestMismatchError: if the card or the profile does not fit the graph.
    """
    contents = {file.path: file for file in files}
    if GRAPH_FILE not in contents:
        raise ConfigurationError(f"the folder has no {GRAPH_FILE}, so a server could not open it")
    card, settings = _card_of(contents.get(CARD_FILE)), RuntimeSettings()
    graph = contents[GRAPH_FILE].content()
    weights = {
        path: memoryview(file.content()) for path, file in contents.items() if path not in (GRAPH_FILE, CARD_FILE)
    }
    try:
        card = _filled(card, graph, weights, name, settings)
        model = open_model(name, version, "", graph, card, settings, weights)
        model.close()
    except UnavailableError as error:
        if not (card.get("inputs") and card.get("outputs")):
            raise
        click.echo(f"Not tried on this machine: {error}", err=True)
    _verify_card_and_profile(card, contents.get(PROFILE_FILE))
    if contents.get(CARD_FILE) is None or card != _card_of(contents[CARD_FILE]):
        contents[CARD_FILE] = bytes_source(CARD_FILE, (json.dumps(card, indent=2, ensure_ascii=False) + "\n").encode())
    return tuple(contents[path] for path in sorted(contents))


def _verify_card_and_profile(card: dict[str, Any], profile: SourceFile | None) -> None:
    """Check what the plugins policy, privacy and drift read."""
    read_card(card)
    CardRules.from_card(card)
    if profile is not None:
        SignedProfile.parse(profile.content()).profile.verify(card)


def _card_of(file: SourceFile | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        card = json.loads(file.content())
    except (ValueError, RecursionError):
        card = None
    if not isinstance(card, dict):
        raise ManifestMismatchError(f"{CARD_FILE} is not a JSON object")
    return card


def _filled(
    card: dict[str, Any], graph: bytes, weights: dict[str, memoryview], name: str, settings: RuntimeSettings
) -> dict[str, Any]:
    """Return the card with inputs and outputs; those that it lacks are the graph's."""
    if card.get("inputs") and card.get("outputs"):
        return card
    _, session = place(Plan(graph, weights, settings, card), name)
    found = signature_of(session, graph, {})
    sides = {"inputs": card_entries(found.inputs), "outputs": card_entries(found.outputs)}
    missing = {side: entries for side, entries in sides.items() if not card.get(side)}
    click.echo(f"{CARD_FILE}: {' and '.join(missing)} are those of the graph", err=True)
    return {**({} if card else {"name": name}), **card, **missing}
