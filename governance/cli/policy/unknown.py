"""Remarks on names in a command that nobody knows: they are allowed, and have no effect."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import click

from governance.access.policies.policy_set import PolicySet
from governance.names import suggestion
from governance.plugins.policy import policy_files
from governance.settings import Settings


def remark_unknown_roles(roles: Iterable[str], settings: Settings) -> None:
    """Say on standard error which roles no policy names; without [policy], nothing is known of roles.

    Raises:
        ConfigurationError: if the policies are not valid.
    """
    if settings.policy is not None and roles:
        _say(_unknown("role", roles, policy_files(settings.policy).load().roles, "no policy names"))


def remark_unknown_names(roles: Iterable[str], model: str | None, settings: Settings, policies: PolicySet) -> None:
    """Say on standard error which roles no policy names, and that the settings have no such model."""
    _say(_unknown("role", roles, policies.roles, "no policy names"))
    _say(_unknown("model", [] if model is None else [model], settings.models, "the settings do not have"))


def _unknown(kind: str, names: Iterable[str], known: Iterable[str], reason: str) -> Iterator[str]:
    known = list(known)
    for name in names:
        if name not in known:
            yield f"remark: {reason} the {kind} '{name[:80]}'{suggestion(name, known)}"


def _say(sentences: Iterable[str]) -> None:
    for sentence in sentences:
        click.echo(sentence, err=True)
