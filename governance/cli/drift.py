"""`bento-governance drift`: compare what the workers of a service counted with the validation data of its models."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import click

from governance.cli.help import Group
from governance.cli.options import PATH, json_option, settings_option
from governance.drift.comparison import DRIFTED, STATES, WATCH, DriftTest
from governance.drift.page import SIGNS, ReportSection, render
from governance.drift.profile import SignedProfile
from governance.drift.window import MAX_SNAPSHOT_BYTES, ModelSnapshot, Snapshot, merged
from governance.errors import ConfigurationError
from governance.files import read_limited, replace_file
from governance.plugins.drift import SNAPSHOTS
from governance.runtime.registry import ModelRegistry
from governance.settings import DriftSettings, load_settings

EXIT_DRIFTED, EXIT_TOO_FEW = 7, 8

model_option = click.option(
    "--model", "models", multiple=True, help="Model to look at. May be repeated. Default: all models."
)


@click.group(cls=Group)
def command() -> None:
    """Compare recent data of models with their validation data.

    The recent counts are those in `directory` of [drift], which the workers write. The reference profile is read from
    the sealed artifacts, so the keys that open them are needed.

    \b
    Examples:
      bento-governance drift report --to drift.html
      bento-governance drift check --fail-on watch
    """


@command.command()
@settings_option
@model_option
@click.option(
    "--to",
    type=PATH,
    default=Path("drift.html"),
    show_default=True,
    help="HTML file to write; an existing one is replaced.",
)
@json_option
def report(settings: Path, models: tuple[str, ...], to: Path, as_json: bool) -> None:
    """Write an HTML page that shows recent distributions next to those of the validation.

    \b
    Examples:
      bento-governance drift report --to drift.html
      bento-governance drift report --model digits-cnn --json
    """
    now = time.time()
    sections = _sections(settings, models, now)
    if as_json:
        click.echo(json.dumps(_document(sections), indent=2))
        return
    try:
        replace_file(to, render(sections, now).encode())
    except OSError as error:
        raise ConfigurationError(f"cannot write {to}: {error.strerror}") from None
    _print(sections)
    click.echo(f"The page is {to}")


@command.command()
@settings_option
@model_option
@click.option(
    "--fail-on",
    type=click.Choice(STATES[WATCH:]),
    default=STATES[DRIFTED],
    show_default=True,
    help="State from which the exit status is 7.",
)
@json_option
def check(settings: Path, models: tuple[str, ...], fail_on: str, as_json: bool) -> None:
    """Print the state of each model, for cron and CI.

    The exit status is 0 if all models are below the state of --fail-on, 7 if one has reached it, and 8 if one has too
    few items to judge.

    \b
    Examples:
      bento-governance drift check
      bento-governance drift check --fail-on watch --json
    """
    sections = _sections(settings, models, time.time())
    if as_json:
        click.echo(json.dumps(_document(sections), indent=2))
    else:
        _print(sections)
    if any(section.drift.state >= STATES.index(fail_on) for section in sections):
        sys.exit(EXIT_DRIFTED)
    if not all(section.drift.enough for section in sections):
        sys.exit(EXIT_TOO_FEW)


def _sections(file: Path, wanted: Sequence[str], now: float) -> list[ReportSection]:
    """Return one section for each model: the counts of all workers, compared as the workers do it."""
    settings = load_settings(file)
    directory = settings.drift.directory
    if directory is None:
        raise ConfigurationError(f"{file} has no directory in [drift]: there are no counts to read")
    unknown = sorted(set(wanted) - set(settings.models))
    if unknown:
        raise ConfigurationError(f"there is no model '{unknown[0][:80]}'; there are: {', '.join(settings.models)}")
    snapshots = _snapshots(directory)
    registry = ModelRegistry(settings, _stored)
    sections = []
    for name in wanted or settings.models:
        content = registry.read_profile(name)
        if content is None:
            click.echo(f"{name} has no profile.json: its drift is not watched", err=True)
            continue
        theirs = [snapshot.models[name] for snapshot in snapshots if name in snapshot.models]
        sections.append(_section(name, SignedProfile.parse(content), theirs, settings.drift, now))
    if not sections:
        raise ConfigurationError("no model has a profile.json to compare with")
    return sections


def _section(
    name: str, reference: SignedProfile, snapshots: Sequence[ModelSnapshot], settings: DriftSettings, now: float
) -> ReportSection:
    fitting = [snapshot for snapshot in snapshots if snapshot.profile == reference.digest]
    if len(fitting) < len(snapshots):
        click.echo(f"{name}: counts for the profile of another version are skipped", err=True)
    counted = merged(reference, fitting, now, settings.window_seconds)
    test = DriftTest(reference, settings.least_items, settings.false_alarms)
    test.restore(snapshot.states for snapshot in fitting)
    return ReportSection(name, reference.profile, counted, test.compare(counted), len(fitting))


def _snapshots(directory: Path) -> list[Snapshot]:
    if not directory.is_dir():
        raise ConfigurationError(f"{directory} does not exist: has the service run with the plugin 'drift'?")
    files = sorted(directory.glob(SNAPSHOTS))
    snapshots = []
    for file in files:
        try:
            snapshots.append(Snapshot.parse(read_limited(file, MAX_SNAPSHOT_BYTES)))
        except ConfigurationError as error:
            raise ConfigurationError(f"{file}: {error}") from None
    return snapshots


def _stored(tag: str) -> Path:
    """Return the path of a model in BentoML's store; BentoML is imported only for settings that name the store."""
    from governance.host.store import stored_artifact

    return stored_artifact(tag)


def _document(sections: Sequence[ReportSection]) -> dict[str, object]:
    return {
        "state": STATES[max(section.drift.state for section in sections)],
        "models": {section.model: {**section.drift.to_row(), "workers": section.workers} for section in sections},
    }


def _print(sections: Sequence[ReportSection]) -> None:
    for section in sections:
        drift = section.drift
        if not drift.enough:
            click.echo(f"○ {section.model}: too few items to compare ({drift.items})")
            continue
        click.echo(f"{SIGNS[drift.state]} {section.model}: {STATES[drift.state]} ({drift.items} items)")
        for result in drift.subjects:
            if result.state:
                click.echo(f"    {result.subject.name}: {STATES[result.state]}: {'; '.join(result.reasons)}")
