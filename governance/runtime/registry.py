"""The models of one process: opened from sealed artifacts, their plaintext shared with the workers of the node.

The master verifies and decrypts each artifact once, into sealed memory, and its child processes inherit that memory. A
child accepts it only from its parent: the record contains the process id of the parent.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Mapping, MutableMapping
from pathlib import Path
from typing import Any

import msgspec

from governance.artifacts.format.sources import CARD_FILE, GRAPH_FILE, PROFILE_FILE
from governance.artifacts.opening import OpenedArtifact, open_sealed
from governance.artifacts.scan.limits import ScanLimits
from governance.artifacts.trust.rollback import RollbackFloors
from governance.artifacts.trust.trust import Trust
from governance.contract.models import ModelLoad
from governance.drift.profile import MAX_BYTES as MAX_PROFILE_BYTES
from governance.errors import ConfigurationError, GovernanceError, ManifestMismatchError, NotReadyError
from governance.keys import open_recipient_key, open_signing_key
from governance.runtime.model import Model, open_model
from governance.settings import STORE_PREFIX, ModelSettings, Settings

SHARED = "_BENTO_GOVERNANCE_PLAINTEXT"

logger = logging.getLogger("governance.models")


class ModelRegistry:
    """Opens the models of the settings, and those that the service's code requests by tag.

    Args:
        stored: finds the artifact of a tag in BentoML's model store.
    """

    def __init__(
        self,
        settings: Settings,
        stored: Callable[[str], Path],
        environment: MutableMapping[str, str] = os.environ,
    ) -> None:
        self.models: dict[str, Model] = {}
        self.declared: dict[str, ModelSettings] = dict(settings.models)
        self._settings, self._stored, self._environment = settings, stored, environment
        self._artifacts: dict[str, OpenedArtifact] = {}
        self._opened = False
        # The model whose opening began last; the report of a refusal names it.
        self.opening = ""

    def declare(self, name: str, model: ModelSettings) -> ModelLoad | None:
        """Add a model to those of the settings; it is opened at once if the others are open."""
        self.declared[name] = model
        return self._load(name) if self._opened and name not in self.models else None

    def get(self, name: str) -> Model:
        """Return an opened model.

        Raises:
            NotReadyError: before it is opened.
        """
        try:
            return self.models[name]
        except KeyError:
            raise NotReadyError(f"the model '{name}' is not open yet") from None

    def signers(self, name: str) -> tuple[str, ...]:
        """Return the signers of an opened model's artifact."""
        return self._artifacts[name].signers

    def open(self) -> list[ModelLoad]:
        """Open every model; if one is not what was signed, this raises and leaves no model open.

        Raises:
            GovernanceError: of the class that fits, its sentence beginning with the model's name.
        """
        loads = [self._load(name) for name in self.declared]
        self._opened = True
        floors = self._floors()
        if floors is not None:
            floors.raise_to({name: int(model.version) for name, model in self.models.items()})
        return loads

    def close(self) -> None:
        """Close every model, and then release its memory."""
        self._opened = False
        for model in self.models.values():
            model.close()
        self.models.clear()
        for artifact in self._artifacts.values():
            artifact.wipe()
        self._artifacts.clear()

    def share(self) -> None:
        """Close the models, keep their plaintext in memory, and let processes that are started later inherit it."""
        for model in self.models.values():
            model.close()
        self.models.clear()
        records = {name: artifact.to_record() for name, artifact in self._artifacts.items()}
        shared = {name: record for name, record in records.items() if record is not None}
        if shared:
            self._environment[SHARED] = json.dumps({"parent": os.getpid(), "models": shared})

    def _load(self, name: str) -> ModelLoad:
        started = time.perf_counter()
        self.opening = name
        try:
            model = self._open_model(name)
        except GovernanceError as error:
            raise _of_same_kind(error, f"model '{name}': {error}") from None
        self.models[name] = model
        if not model.ready or model.degraded:
            logger.warning("model '%s': %s", name, model.reason)
        seconds = time.perf_counter() - started
        return ModelLoad(
            name,
            model.version,
            model.device,
            model.ready,
            model.degraded,
            seconds,
            model.card,
            digest=model.digest,
            profile=_read_profile(self._artifacts[name].files),
        )

    def read_profile(self, name: str) -> bytes | None:
        """Return a model's reference profile from its artifact, which is verified as for serving and closed again.

        Raises:
            GovernanceError: as `open` does.
        """
        artifact = self._open_artifact(name)
        try:
            return _read_profile(artifact.files)
        finally:
            artifact.wipe()

    def _open_model(self, name: str) -> Model:
        artifact = self._artifacts[name] = self._open_artifact(name)
        files = artifact.files
        card, graph = _read_card(files), files.get(GRAPH_FILE)
        if graph is None:
            raise ManifestMismatchError(f"the artifact holds no {GRAPH_FILE}")
        others = {path: content for path, content in files.items() if path not in (GRAPH_FILE, CARD_FILE)}
        empty_axes = artifact.empty_axes.get(GRAPH_FILE, {})
        model = open_model(
            name, artifact.version, artifact.digest, graph, card, self._settings.runtime, others, empty_axes
        )
        if self.declared[name].batching and model.ready:
            model.batch_requests()
        return model

    def _open_artifact(self, name: str) -> OpenedArtifact:
        inherited = self._inherited().get(name)
        if inherited is not None:
            return OpenedArtifact.adopt(inherited)
        settings, model = self._settings.artifacts, self.declared[name]
        if settings is None:
            raise ConfigurationError(
                "models need an [artifacts] section with the trusted signers and the recipient key"
            )
        place = str(model.artifact)
        floors = self._floors()
        opened = open_sealed(
            self._stored(place.removeprefix(STORE_PREFIX)) if place.startswith(STORE_PREFIX) else Path(place),
            name=name,
            minimum_version=max(model.minimum_version, floors.read().floors.get(name, 1) if floors is not None else 1),
            trust=Trust.from_files(settings.trusted_signers, settings.threshold, settings.trusted_cosigners),
            recipient_key=open_recipient_key(settings.recipient_key),
            limits=ScanLimits(domains=frozenset(settings.allowed_domains)),
        )
        if not opened.memory.lock():
            logger.warning(
                "model '%s': this machine swaps, and the plaintext could not be locked in memory: "
                "turn swap off, or raise the limit of locked memory (ulimit -l)",
                name,
            )
        return opened

    def _floors(self) -> RollbackFloors | None:
        audit = self._settings.audit
        if audit is None:
            return None
        return RollbackFloors(audit.directory, open_signing_key(audit.checkpoint_key), self._settings.service.name)

    def _inherited(self) -> Mapping[str, Any]:
        """Return the memory that the parent process shared; values from any other source are ignored."""
        try:
            shared = json.loads(self._environment.get(SHARED, "{}"))
        except ValueError:
            return {}
        models: Mapping[str, Any] = shared.get("models", {}) if shared.get("parent") == os.getppid() else {}
        return models


def _read_card(files: Mapping[str, memoryview]) -> Mapping[str, Any]:
    try:
        return msgspec.json.decode(bytes(files[CARD_FILE]), type=dict[str, Any])
    except KeyError:
        raise ManifestMismatchError(f"the artifact holds no {CARD_FILE}") from None
    except msgspec.DecodeError:
        raise ManifestMismatchError(f"{CARD_FILE} is not a JSON object") from None


def _read_profile(files: Mapping[str, memoryview]) -> bytes | None:
    content = files.get(PROFILE_FILE)
    if content is not None and len(content) > MAX_PROFILE_BYTES:
        raise ManifestMismatchError(f"{PROFILE_FILE} is larger than {MAX_PROFILE_BYTES} bytes")
    return None if content is None else bytes(content)


def _of_same_kind(error: GovernanceError, sentence: str) -> GovernanceError:
    renamed = error.__class__.__new__(error.__class__)
    renamed.args = (sentence,)
    return renamed
