"""The export of the tagger: serving finds what torch finds, and the card says how the model was made."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from governance.privacy.tagger.model import TaggerModel
from training import tagger as package
from training.__main__ import command
from training.config import TrainingError
from training.tagger import export as exporting
from training.tagger.corpus.labelled import LabelledText
from training.tagger.corpus.texts import line_texts
from training.tagger.export import greatest_difference, measure, serving_settings, to_onnx
from training.tagger.model import TAGS, TaggerNetwork
from training.tagger.scores import evaluate

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")


def test_to_onnx_agrees_with_torch_whatever_the_length_of_other_texts_in_the_batch():
    torch.manual_seed(1)
    network = TaggerNetwork().eval()
    samples = [
        LabelledText("Ada met Bob.", ()),
        LabelledText("In Rome we saw the old bridge and the river, and went home.", ()),
    ]
    graph = to_onnx(network)
    assert greatest_difference(graph, network, samples) < 1e-4
    for bits in (32, 8):
        tagger = TaggerModel(graph, serving_settings(0.0, bits))
        assert tagger.find([samples[0].text])[0] == tagger.find([item.text for item in samples])[0]


def test_measure_scores_serving_as_evaluate_scores_torch():
    network = TaggerNetwork().eval()
    with torch.no_grad():
        network.out.weight.zero_()
        network.out.bias.copy_(torch.tensor([0.0, 9.0] + [0.0] * (len(TAGS) - 2)))
    items = [LabelledText("Ada saw Rome", (("PERSON", 0, 3), ("LOCATION", 8, 12)))]
    scores = measure(to_onnx(network), 0.0, items)
    assert scores == evaluate(network, items)
    assert np.isclose(scores["precision"], 0.3) and np.isclose(scores["recall"], 3 / 7)


def test_export_refuses_a_graph_that_differs_from_torch_and_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "mixed_validation", lambda *_: line_texts(5, 1))
    monkeypatch.setattr(exporting, "greatest_difference", lambda *_: 0.1)
    with pytest.raises(TrainingError, match="differ by"):
        exporting.export(tmp_path / "export", TaggerNetwork(), [{"seed": 1, "texts": 100}], None)
    assert not list(tmp_path.iterdir())


def test_pii_tagger_command_trains_exports_and_exports_again(tmp_path, monkeypatch):
    few = line_texts(100, 1)
    monkeypatch.setattr("training.tagger.fit.mixed_texts", lambda *_: few)
    monkeypatch.setattr("training.tagger.fit.mixed_validation", lambda *_: few[:20])
    monkeypatch.setattr("training.tagger.export.mixed_validation", lambda *_: few[:20])
    monkeypatch.setattr("training.tagger.export.held_out_texts", lambda *_: few[:20])
    to = tmp_path / "export"
    done = CliRunner().invoke(command, ["pii-tagger", "--texts", "100", "--epochs", "1", "--to", str(to)])
    assert done.exit_code == 0, done.output
    card = json.loads((to / "card.json").read_text())
    assert set(card["scores"]) == {"validation", "held_out", "challenge"} and card["made_by"] == [
        "python -m training pii-tagger --texts 100 --epochs 1 --seed 7"
    ]
    first = (to / "model.onnx").read_bytes()
    assert CliRunner().invoke(command, ["pii-tagger", "--again", "--to", str(to)]).exit_code == 0
    assert (to / "model.onnx").read_bytes() == first


def test_commands_in_the_tagger_readme_are_commands_that_exist():
    readme = Path(package.__file__).with_name("README.md").read_text()
    lines = re.findall(r"^python -m training (.+?)(?:\s+#.*)?$", readme, re.MULTILINE)
    assert len(lines) >= 3
    for line in lines:
        name, *arguments = shlex.split(line)
        command.commands[name].make_context(name, arguments)


def test_paths_in_the_tagger_readme_exist():
    folder = Path(package.__file__).parent
    paths = re.findall(r"`((?:corpus|data)/[\w/.-]+)`", (folder / "README.md").read_text())
    assert len(paths) >= 8 and all((folder / path).exists() for path in paths)
