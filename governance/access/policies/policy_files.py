"""The files of a policy set: policies, schema, and optional entities and template links."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from governance.access.policies.policy_set import PolicySet
from governance.errors import ConfigurationError
from governance.files import Fingerprint, fingerprint, read_limited

MAX_FILE_BYTES = 16 * 2**20


@dataclass(frozen=True, slots=True)
class PolicyFiles:
    """Paths of the files.

    Attributes:
        policies: A file, or a folder whose `*.cedar` files are read.
        schema: The Cedar schema.
        entities: Cedar entities as JSON, or None.
        links: Links of policy templates as JSON, or None.
    """

    policies: Path
    schema: Path
    entities: Path | None = None
    links: Path | None = None

    def load(self) -> PolicySet:
        """Read and validate the files.

        Raises:
            ConfigurationError: with file, line and reason.
        """
        files = [(str(path), _read(path)) for path in self._cedar_files()]
        entities, links = (_read(path) if path is not None else "[]" for path in (self.entities, self.links))
        return PolicySet(files, _read(self.schema), entities, links, name=str(self.policies))

    def fingerprint(self) -> tuple[Fingerprint | None, ...]:
        """Return the fingerprints of all files; they differ after any file was changed, added or removed."""
        paths = [*self._cedar_files(), self.schema, self.entities, self.links]
        return tuple(fingerprint(path) for path in paths if path is not None)

    def _cedar_files(self) -> list[Path]:
        return sorted(self.policies.glob("*.cedar")) if self.policies.is_dir() else [self.policies]


def _read(file: Path) -> str:
    try:
        return read_limited(file, MAX_FILE_BYTES).decode("utf-8")
    except UnicodeDecodeError:
        raise ConfigurationError(f"{file} is not UTF-8") from None
