"""`python -m training fit|evaluate|export|tune|all|sample`: from data to tested ONNX, stage by stage."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from training.config import NAMES, Config, TrainingError, config_for

name_argument = click.argument("name", type=click.Choice(NAMES))
data_option = click.option("--data", type=click.Path(path_type=Path), help="Folder with the four IDX files of MNIST.")
out_option = click.option(
    "--out", type=click.Path(path_type=Path), default=Path(".state/training"), show_default=True, help="Where runs lie."
)


def run_options(function: Any) -> Any:
    """Add the options that change a run's settings."""
    for option in (
        click.option("--seed", type=int),
        click.option("--epochs", type=click.IntRange(1)),
        click.option("--batch", type=click.IntRange(1)),
        click.option("--learning-rate", type=click.FloatRange(min=0, min_open=True)),
        click.option("--loss", type=click.Choice(["cross-entropy", "mse"])),
        click.option("--optimiser", type=click.Choice(["adam", "gradient-descent"])),
    ):
        function = option(function)
    return function


@click.group()
def command() -> None:
    """Train the digit models: fit, evaluate, export; or all of it with what is done left alone."""


@command.command()
@name_argument
@data_option
@out_option
@run_options
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint.")
@click.option("--dry-run", is_flag=True, help="Build all, train one epoch on 256 images, write nothing.")
def fit(name: str, data: Path | None, out: Path, resume: bool, dry_run: bool, **changes: Any) -> None:
    """Train NAME until its validation loss stops falling."""
    config = config_for(name, **changes)
    if dry_run:
        config = config_for(name, **{**changes, "epochs": 1})
    _fit(config, data, None if dry_run else out / name, resume=resume, dry_run=dry_run)


@command.command(name="pii-tagger")
@click.option("--texts", type=click.IntRange(100), default=100_000, show_default=True, help="Texts to train on.")
@click.option("--epochs", type=click.IntRange(1), default=4, show_default=True)
@click.option("--seed", type=int, default=7, show_default=True)
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="More are seldom faster.")
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), default=0.004, show_default=True)
@click.option("--resume", is_flag=True, help="Go on from the best weights so far, on texts of another --seed.")
@click.option("--again", is_flag=True, help="Export the weights of the last run again, without training.")
@click.option(
    "--to", type=click.Path(path_type=Path), default=Path(".state/training/pii-tagger/export"), show_default=True
)
def pii_tagger(
    texts: int, epochs: int, seed: int, threads: int, rate: float, resume: bool, again: bool, to: Path
) -> None:
    """Train the tagger of personal data on generated text, and export it (about 12 minutes on one free core)."""
    from training.tagger import fit as tagger_fit
    from training.tagger.export import export as export_tagger

    checkpoint = to.parent / "weights.pt"
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    if again:
        model, history = tagger_fit.load(checkpoint)
    else:
        model, history = tagger_fit.fit(
            texts, epochs, rate=rate, seed=seed, threads=threads, checkpoint=checkpoint, resume=resume
        )
    scores = export_tagger(to, model, history, datetime.now(UTC))
    for name, score in scores.items():
        click.echo(f"{name:<16} F2 {score['f2']:.3f}, precision {score['precision']:.3f}, recall {score['recall']:.3f}")
    click.echo(f"It lies in {to}")


@command.command()
@name_argument
@data_option
@out_option
def evaluate(name: str, data: Path | None, out: Path) -> None:
    """Score NAME on the test part: evaluation.json and evaluation.png."""
    _evaluate(data, out / name)


@command.command()
@name_argument
@data_option
@out_option
@click.option("--to", type=click.Path(path_type=Path), help="Default: the run's folder, export/.")
def export(name: str, data: Path | None, out: Path, to: Path | None) -> None:
    """Export NAME to ONNX with its card and its profile; it must agree with torch."""
    _export(data, out / name, to or out / name / "export")


@command.command()
@name_argument
@data_option
@out_option
@run_options
@click.option("--trials", type=click.IntRange(1), default=12, show_default=True)
def tune(name: str, data: Path | None, out: Path, trials: int, **changes: Any) -> None:
    """Search learning rate and batch size on the validation part, and print the best."""
    from training.preprocess import clean, fit_statistics, transform
    from training.tune import tune as search

    config = config_for(name, **changes)
    split = _load(data, config)
    train = transform(clean(split.train).part)
    best, loss = search(config, train, transform(split.validation), fit_statistics(train[0]), trials)
    click.echo(f"Best validation loss {loss:.4f}; train with it:")
    click.echo(
        f"  python -m training fit {name} --learning-rate {best.learning_rate:.6g} --batch {best.batch} --out {out}"
    )


@command.command(name="all")
@click.argument("names", type=click.Choice(NAMES), nargs=-1, required=True)
@data_option
@out_option
def all_(names: tuple[str, ...], data: Path | None, out: Path) -> None:
    """Fit, evaluate and export every one of NAMES, except what is exported already."""
    for name in names:
        folder = out / name
        if (folder / "export" / "profile.json").is_file():
            _renew_profile(data, name, folder / "export")
            click.echo(f"{name} is trained and exported already: {folder / 'export'}")
            continue
        _fit(config_for(name), data, folder, resume=False, dry_run=False)
        _evaluate(data, folder)
        _export(data, folder, folder / "export")


@command.command()
@name_argument
@data_option
@click.option("--index", type=click.IntRange(0), default=0, show_default=True)
@click.option("--to", type=click.Path(path_type=Path), required=True)
def sample(name: str, data: Path | None, index: int, to: Path) -> None:
    """Write one image of NAME's test part as a PNG, to call a service with."""
    from PIL import Image

    test = _load(data, config_for(name)).test
    if index >= len(test.labels):
        raise TrainingError(f"the test part has {len(test.labels)} images")
    Image.fromarray(test.images[index]).save(to)
    click.echo(f"{to}: a handwritten {test.labels[index]}")


def _load(data: Path | None, config: Config) -> Any:
    from training.data import load

    return load(data, config.seed)


def _fit(config: Config, data: Path | None, folder: Path | None, *, resume: bool, dry_run: bool) -> None:
    from training.fit import build, fit
    from training.preprocess import clean, fit_statistics, transform

    _stage(1, f"preprocessing for {config.name}")
    split = _load(data, config)
    cleaned = clean(split.train)
    train, validation = transform(cleaned.part), transform(split.validation)
    if dry_run:
        train, validation = (train[0][:256], train[1][:256]), (validation[0][:256], validation[1][:256])
    statistics = fit_statistics(train[0])
    sizes = f"{len(train[0])} train, {len(validation[0])} validation, {len(split.test.labels)} test"
    click.echo(f"  {split.source}: {sizes}; {cleaned.blank} blank, {cleaned.duplicates} twice")
    click.echo(f"  pixels to 0..1, then mean {statistics.mean:.4f} and deviation {statistics.std:.4f} to 0 and 1")
    _stage(2, "construction")
    click.echo(f"  {sum(parameter.numel() for parameter in build(config).parameters()):,} parameters")
    _stage(3, f"initialisation, seed {config.seed}")
    _stage(
        4, f"training with {config.optimiser}, {config.loss}, rate {config.learning_rate}, batches of {config.batch}"
    )
    try:
        _, state = fit(config, train, validation, statistics, folder, resume=resume)
    except KeyboardInterrupt:
        raise TrainingError("stopped; go on with --resume from the last whole epoch") from None
    best = min(state.history, key=lambda epoch: epoch["validation_loss"])
    _stage(5, f"validation: best after epoch {best['epoch']:.0f} of {state.epoch}")
    click.echo(f"  loss {best['validation_loss']:.4f}, accuracy {best['validation_accuracy']:.4f}")
    if dry_run:
        click.echo("Dry run: all parts fit together, and nothing was written.")


def _evaluate(data: Path | None, folder: Path) -> None:
    import torch

    from training.evaluate import draw, score
    from training.fit import load_best
    from training.preprocess import transform

    config, model, _ = load_best(folder)
    test = _load(data, config).test
    _stage(6, f"test of {config.name} on {len(test.labels)} images")
    with torch.no_grad():
        probabilities = model(transform(test)[0]).softmax(dim=1).numpy()
    scores = score(probabilities, test.labels)
    (folder / "evaluation.json").write_text(json.dumps(scores, indent=2) + "\n")
    draw(folder / "evaluation.png", config.name, test.images, probabilities, test.labels)
    click.echo(
        f"  accuracy {scores['accuracy']:.4f}, F1 {scores['f1']:.4f}, calibration {scores['calibration_error']:.4f}"
    )
    click.echo(f"  {folder / 'evaluation.json'}, {folder / 'evaluation.png'}")


def _export(data: Path | None, folder: Path, to: Path) -> None:
    from training.export import export
    from training.fit import load_best

    config, model, _ = load_best(folder)
    if not (folder / "evaluation.json").is_file():
        raise TrainingError(f"the card needs scores: run `python -m training evaluate {config.name}` first")
    scores = json.loads((folder / "evaluation.json").read_text())
    parity = export(to, config, model, _load(data, config), scores, datetime.now(UTC))
    click.echo(f"Exported {config.name} to {to}; it differs from torch by {parity:.1e} at most")


def _renew_profile(data: Path | None, name: str, folder: Path) -> None:
    from training.export import renew_profile

    if renew_profile(folder, _load(data, config_for(name))):
        click.echo(f"The profile of {name} is made anew: drift is measured in another way now")


def _stage(number: int, title: str) -> None:
    click.echo(f"[{number}/6] {title}")


def main() -> None:
    """Run the command line; what a person can mend is one line."""
    try:
        command(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit("Aborted.")
    except TrainingError as error:
        sys.exit(f"training: {error}")
    except ModuleNotFoundError as error:
        sys.exit(f"training: {error.name} is not installed: pip install 'bento-governance[training]'")


if __name__ == "__main__":
    main()
