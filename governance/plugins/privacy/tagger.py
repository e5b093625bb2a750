"""Opening the tagger that the settings name."""

from __future__ import annotations

from governance.artifacts.opening import open_sealed
from governance.artifacts.trust.trust import Trust
from governance.canonical import parse_json
from governance.errors import ConfigurationError, ManifestMismatchError
from governance.keys import open_recipient_key
from governance.privacy.find.detect import TaggerCall
from governance.settings import Settings

TAGGER = "pii-tagger"


def open_tagger(settings: Settings) -> TaggerCall:
    """Return the tagger of the settings: their sealed artifact, or the one that this package ships.

    Raises:
        IntegrityError: if it is not what was signed.
        ConfigurationError: if it cannot be read, or there are no trusted signers.
    """
    from governance.privacy.tagger.model import TaggerModel, shipped_tagger

    artifacts, path = settings.artifacts, settings.privacy.tagger
    if path is None:
        return shipped_tagger().find
    if artifacts is None:
        raise ConfigurationError(
            "a sealed tagger needs an [artifacts] section with the trusted signers and the recipient key"
        )
    trust = Trust.from_files(artifacts.trusted_signers, artifacts.threshold, artifacts.trusted_cosigners)
    key = open_recipient_key(artifacts.recipient_key)
    with open_sealed(path, name=TAGGER, minimum_version=1, trust=trust, recipient_key=key) as opened:
        graph, card = opened.files.get("model.onnx"), opened.files.get("card.json")
        if graph is None or card is None:
            raise ManifestMismatchError("the sealed tagger has no model.onnx or no card.json")
        weights = opened.files.get("model.onnx.data", b"")
        return TaggerModel(bytes(graph), parse_json(card), weights=weights).find
