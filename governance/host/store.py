"""BentoML's model store: sealed artifacts in it, by tag."""

from __future__ import annotations

import shutil
from pathlib import Path

import bentoml
from bentoml.exceptions import BentoMLException

from governance.artifacts.opening import verify_sealed
from governance.artifacts.trust.trust import Trust
from governance.errors import ConfigurationError
from governance.names import suggestion
from governance.settings import ArtifactSettings

STORED_FILE = "model.sealed"


def stored_artifact(tag: str) -> Path:
    """Return the path of a tag's sealed artifact in BentoML's model store.

    Raises:
        ConfigurationError: if there is none.
    """
    try:
        return Path(bentoml.models.get(tag).path_of(STORED_FILE))
    except BentoMLException as error:
        known = [str(model.tag) for model in bentoml.models.list()]
        raise ConfigurationError(f"BentoML's model store has no '{tag}': {error}{suggestion(tag, known)}") from None


def save_model(artifact: Path, settings: ArtifactSettings) -> str:
    """Verify a sealed artifact, put it into BentoML's model store, and return its tag.

    Raises:
        IntegrityError: if it is not sealed and signed as the settings require.
        ConfigurationError: if it cannot be read, its name is not a tag, or the tag exists.
    """
    trust = Trust.from_files(settings.trusted_signers, settings.threshold, settings.trusted_cosigners)
    facts = verify_sealed(artifact, trust=trust)
    tag = f"{facts.name}:{facts.version}"
    if tag != tag.lower():
        raise ConfigurationError(f"BentoML's tags are lower case, and the model is called '{facts.name}'")
    try:
        with bentoml.models.create(
            tag, labels={"governance": "sealed"}, metadata={"digest": facts.digest, "name": facts.name}
        ) as model:
            shutil.copyfile(artifact, model.path_of(STORED_FILE))
    except BentoMLException as error:
        raise ConfigurationError(f"BentoML's model store does not take {tag}: {error}") from None
    return tag
