"""`bento-governance artifact scan`: scan a model that is not sealed, with the rules of sealing and opening."""

from __future__ import annotations

import json
from pathlib import Path

import click

from governance.artifacts.format.sources import Segment, SourceFile, read_folder
from governance.artifacts.scan import scan as scanner
from governance.artifacts.scan.limits import ScanLimits
from governance.cli.artifact.options import scan_options
from governance.cli.artifact.output import size_of
from governance.cli.options import PATH, json_option
from governance.errors import ConfigurationError, ManifestMismatchError


@click.command()
@click.argument("path", type=PATH)
@scan_options
@json_option
def scan(path: Path, limits: ScanLimits, as_json: bool) -> None:
    """Scan PATH, an ONNX file or a folder with a model, as sealing and opening do.

    If the model is not allowed, each reason is printed and the exit status is 5. To scan a sealed artifact, use
    `artifact verify --recipient-key`.

    \b
    Examples:
      bento-governance artifact scan export
      bento-governance artifact scan model.onnx --allow-domain com.microsoft
    """
    findings = scanner.scan(scanner.scanned_sources(_plaintext_files(path)), limits)
    if as_json:
        listed = [{"path": item.path, "node": item.node, "reason": item.reason} for item in findings]
        click.echo(json.dumps({"admitted": not findings, "findings": listed}, indent=2))
    elif not findings:
        click.echo(f"{path}: admitted, no findings")
    else:
        for item in findings:
            click.echo(str(item))
    if findings:
        raise ManifestMismatchError(f"{path} is not admitted: {len(findings)} findings")


def _plaintext_files(path: Path) -> tuple[SourceFile, ...]:
    if path.is_dir():
        return read_folder(path)
    size = size_of(path)
    file = SourceFile(path.name, (Segment(path, 0, size),))
    if path.suffix == ".sealed":
        raise ConfigurationError(f"{path} is sealed: `artifact verify --recipient-key` scans what is in it")
    external = [
        SourceFile(other.name, (Segment(other, 0, other.stat().st_size),))
        for other in path.parent.iterdir()
        if other.name.startswith(path.name + ".") and other.is_file() and not other.is_symlink()
    ]
    return (file, *external)
