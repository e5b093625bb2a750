"""Runs: their settings, their folder, resuming, comparing."""

import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from training.__main__ import command
from training.config import Config, TrainingError, config_for, read_changes
from training.data.digits import LabelledImages
from training.data.load import load, read
from training.fit import fit, load_best
from training.preprocess import fit_statistics, transform
from training.runs.curves import draw_curves
from training.runs.state import RunState

FILES = ("best.safetensors", "last.safetensors", "state.json", "config.toml", "data.json")

# The TorchScript exporter warns that there is a newer one.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def small():
    split = load(None, 7)
    return transform(LabelledImages(split.train.images[:256], split.train.labels[:256]))


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A thousand digits as a CSV file, a hundred of each class."""
    content = read(None).parts[0].content
    file = tmp_path_factory.mktemp("digits") / "d.csv"
    rows = (",".join(map(str, [content.labels[n], *content.images[n].ravel()])) for n in range(0, 5000, 5))
    file.write_text("\n".join(rows) + "\n")
    return file


def run(*arguments):
    done = CliRunner().invoke(command, [str(argument) for argument in arguments])
    if done.exception is not None and not isinstance(done.exception, TrainingError):
        raise done.exception
    return done


def content_of(folder, names=FILES):
    return {name: (folder / name).read_bytes() for name in names}


class StopError(Exception):
    pass


@pytest.mark.parametrize("optimiser", ["adam", "gradient-descent"])
def test_a_resumed_run_has_byte_equal_weights_wherever_it_was_stopped(small, tmp_path, optimiser):
    config, statistics = replace(config_for("digits-cnn"), epochs=3, optimiser=optimiser), fit_statistics(small[0])
    fit(config, small, small, statistics, tmp_path / "whole", progress=False)
    for epoch in (1, 2, 3):

        def stop(state, epoch=epoch):
            if state.epoch == epoch:
                raise StopError

        folder = tmp_path / str(epoch)
        with pytest.raises(StopError):
            fit(config, small, small, statistics, folder, progress=False, each_epoch=stop)
        fit(config, small, small, statistics, folder, resume=True, progress=False)
        names = FILES[:4]
        assert content_of(folder, names) == content_of(tmp_path / "whole", names)


def test_a_run_stopped_between_its_files_has_the_best_weights_of_its_checkpoint(small, tmp_path):
    config, statistics = replace(config_for("digits-cnn"), epochs=2), fit_statistics(small[0])
    fit(config, small, small, statistics, tmp_path, progress=False)
    whole = content_of(tmp_path, FILES[:3])
    (tmp_path / "best.safetensors").unlink()
    (tmp_path / "state.json").write_text("{}")
    fit(config, small, small, statistics, tmp_path, resume=True, progress=False)
    assert content_of(tmp_path, FILES[:3]) == whole


def test_a_damaged_checkpoint_is_refused_in_words(small, tmp_path):
    config, statistics = replace(config_for("digits-cnn"), epochs=1), fit_statistics(small[0])
    fit(config, small, small, statistics, tmp_path, progress=False)
    last = tmp_path / "last.safetensors"
    for content in (b"", last.read_bytes()[:-9], b"\xff" * 64):
        last.write_bytes(content)
        with pytest.raises(TrainingError, match="damaged, or of another version"):
            fit(config, small, small, statistics, tmp_path, resume=True, progress=False)


def test_a_run_that_was_killed_goes_on_by_all_and_has_the_same_result(tmp_path, table):
    start = ["fit", "digits-cnn", "--data", table, "--epochs", 3, "--out"]
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    arguments = [sys.executable, "-m", "training", *map(str, start), str(killed)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        lines = []
        for line in process.stdout:
            lines.append(line)
            if b"epoch 1/3:" in line:
                break
        process.send_signal(signal.SIGKILL)
    # A file of output is not filled with a bar that is drawn again and again.
    assert b"\r" not in b"".join(lines)
    assert run(*start, whole).exit_code == 0
    outputs = [run("all", "digits-cnn", "--data", table, "--out", out).output for out in (killed, whole)]
    assert "epoch 1/3" not in outputs[0] and "epoch 3/3" in outputs[0]
    names = (*FILES, "evaluation.json", "export/model.onnx", "export/profile.json")
    assert content_of(killed / "digits-cnn", names) == content_of(whole / "digits-cnn", names)
    log = (killed / "digits-cnn/run.log").read_text()
    assert "started" in log and "resumed" in log and log.count("epoch 3/3") == 1
    assert (killed / "digits-cnn/curves.png").read_bytes()[:4] == b"\x89PNG"


def test_a_terminal_shows_a_bar_and_keeps_one_line_an_epoch(table):
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    arguments = [sys.executable, "-m", "training", "fit", "digits-cnn", "--dry-run", "--data", str(table)]
    with subprocess.Popen(arguments, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        output = b""
        try:
            while piece := os.read(ours, 65536):
                output += piece
        except OSError:  # How Linux says that the other side is closed.
            pass
    os.close(ours)
    assert process.returncode == 0
    assert b"epoch 1/1:   0%" in output and b"\r" in output
    # What stays on a line is what was written after its last carriage return.
    kept = [line.rsplit("\r", 1)[-1] for line in output.decode().replace("\r\n", "\n").split("\n")]
    assert sum("epoch 1/1" in line for line in kept) == 1


def test_fit_never_overwrites_a_run_and_stores_what_it_was_made_of(tmp_path, table):
    start = ["fit", "digits-cnn", "--data", table, "--out", tmp_path, "--epochs", 1]
    assert run(*start, "--seed", 3).exit_code == 0
    folder = tmp_path / "digits-cnn"
    before = content_of(folder)
    again = run(*start)
    assert "not overwritten: continue it with --resume, or choose another --out" in str(again.exception)
    assert content_of(folder) == before
    assert Config.load(folder / "config.toml") == config_for("digits-cnn", epochs=1, seed=3)
    assert json.loads((folder / "data.json").read_text())["digest"] == read(table).digest
    environment = json.loads((folder / "environment.json").read_text())
    assert environment["packages"]["torch"] == torch.__version__


def test_a_stored_configuration_repeats_a_run_with_equal_weights(tmp_path, table):
    assert run("fit", "digits-rnn", "--data", table, "--out", tmp_path / "a", "--epochs", 2, "--seed", 5).exit_code == 0
    config = tmp_path / "a/digits-rnn/config.toml"
    assert run("fit", "digits-rnn", "--data", table, "--out", tmp_path / "b", "--config", config).exit_code == 0
    assert content_of(tmp_path / "a/digits-rnn") == content_of(tmp_path / "b/digits-rnn")


def test_a_run_is_resumed_and_scored_only_with_its_own_data(tmp_path, table):
    out = ["--out", tmp_path]
    assert run("fit", "digits-cnn", "--data", table, "--epochs", 1, *out).exit_code == 0
    for arguments in (["fit", "digits-cnn", "--epochs", 1, "--resume"], ["evaluate", "digits-cnn"]):
        assert "has other data" in str(run(*arguments, *out).exception)


def test_compare_shows_results_and_what_differs_and_nothing_else(tmp_path, table):
    for seed in (1, 2):
        run("fit", "digits-cnn", "--data", table, "--epochs", 1, "--seed", seed, "--out", tmp_path / str(seed))
    run("evaluate", "digits-cnn", "--data", table, "--out", tmp_path / "1")
    output = run("compare", tmp_path / "1/digits-cnn", tmp_path / "2/digits-cnn").output
    rows = {line.split("  ")[0]: line.split()[-2:] for line in output.splitlines()[1:]}
    assert rows["config: seed"] == ["1", "2"] and "config: batch" not in rows
    assert rows["result: test accuracy"][1] == "-" and 0 <= float(rows["result: test accuracy"][0]) <= 1
    assert "has no run with a completed epoch" in str(run("compare", tmp_path).exception)


def test_tune_writes_nothing_and_its_command_trains_in_a_folder_of_its_own(tmp_path, table):
    (tmp_path / "tuned-1/digits-cnn").mkdir(parents=True)
    output = run("tune", "digits-cnn", "--data", table, "--out", tmp_path, "--trials", 1, "--epochs", 1).output
    printed = output.splitlines()[-1].split()
    assert printed[:5] == ["python", "-m", "training", "fit", "digits-cnn"]
    assert printed[-1] == str(tmp_path / "tuned-2") and not Path(printed[-1]).exists()
    assert run(*printed[3:], "--epochs", 1).exit_code == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("epoch = 3", "sets epoch, which is no setting of a run"),
        ("epochs = ", "as TOML"),
        ('epochs = "3"', "Expected `int`, got `str` - at `$.epochs`"),
        ('loss = "hinge"', "Invalid enum value 'hinge' - at `$.loss`"),
        ("learning_rate = nan", "learning_rate must be over 0"),
        ("batch = 0", "batch must be over 0"),
        ('name = "digits-rnn"', "is for digits-rnn, not for digits-cnn"),
    ],
)
def test_wrong_settings_are_refused_in_words(tmp_path, text, words):
    (tmp_path / "c.toml").write_text(text)
    done = run("fit", "digits-cnn", "--config", tmp_path / "c.toml", "--out", tmp_path)
    assert words in str(done.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["c.toml"]


def test_settings_come_back_from_toml_as_they_were_saved(tmp_path):
    config = config_for("digits-rnn", loss="mse", learning_rate=1e-05, seed=2**40)
    config.save(tmp_path / "c.toml")
    assert Config.load(tmp_path / "c.toml") == config
    assert read_changes(tmp_path / "c.toml")["loss"] == "mse"


def test_curves_of_a_run_of_one_epoch_are_a_picture(tmp_path):
    values = dict.fromkeys(("rate", "train_loss", "validation_loss", "train_accuracy", "validation_accuracy"), 0.5)
    draw_curves(tmp_path / "c.png", "t", RunState(epoch=1, history=[{"epoch": 1, **values}]))
    assert (tmp_path / "c.png").read_bytes()[:4] == b"\x89PNG"


def test_a_run_of_an_earlier_version_says_so(tmp_path):
    (tmp_path / "best.safetensors").write_bytes(b"")
    with pytest.raises(TrainingError, match="made by an earlier version"):
        load_best(tmp_path)
