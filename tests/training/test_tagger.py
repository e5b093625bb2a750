"""The tagger's training: what it is told is true of the text, and what it exports says what it learned."""

import json
import random

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from governance.privacy.tagger.model import TaggerModel
from training.__main__ import command
from training.config import TrainingError
from training.tagger import fit as fitting
from training.tagger.export import _difference, _reading, challenge, measure, to_onnx
from training.tagger.generate import Labelled
from training.tagger.mixed import HELD_OUT, _kept, filled, mixed, noisy
from training.tagger.model import TAGS, Tagger, encode
from training.tagger.registers import WITH_PEOPLE, WITHOUT

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")


@pytest.fixture(scope="module")
def texts():
    return mixed(60, 3)


def test_spans_lie_within_their_text_and_not_over_each_other(texts):
    assert any(item.spans for item in texts) and any(not item.spans for item in texts)
    for item in texts:
        end = 0
        for _, start, stop in item.spans:
            assert end <= start < stop <= len(item.text) and item.text[start:stop].strip()
            end = stop


def test_the_same_seed_makes_the_same_text():
    assert mixed(5, 4, validation=True) == mixed(5, 4, validation=True) != mixed(5, 5, validation=True)


def test_training_never_sees_the_lines_kept_for_validation():
    chance = random.Random(1)
    for lines in (*WITH_PEOPLE.values(), *WITHOUT.values()):
        seen = {_kept(lines, chance) for _ in range(40 * len(lines))}
        kept = {line for place, line in enumerate(lines) if place % HELD_OUT == 0 and place + 1 < len(lines)}
        assert not seen & kept and len(seen) == len(set(lines) - kept)


def test_a_family_name_goes_on_with_its_first_name():
    chance = random.Random(2)
    item = filled("Ask {first} {last}.", "en", chance)
    assert [entity for entity, _, _ in item.spans] == ["PERSON"] and item.spans[0][1] == 4


def test_noise_moves_nothing():
    item = Labelled("Straße 5, said Maria Lopez. It is late.", (("PERSON", 15, 26),))
    for seed in range(60):
        made = noisy(item, "en", random.Random(seed))
        assert len(made.text) == len(item.text) and made.spans == item.spans


def test_words_of_a_span_are_tagged_and_others_are_not():
    words, tags = fitting.tagged(Labelled("Call Maria Lopez now", (("PERSON", 5, 16), ("EMAIL_ADDRESS", 17, 20))))
    assert words == ["Call", "Maria", "Lopez", "now"]
    assert [TAGS[tag] for tag in tags] == ["O", "B-PERSON", "I-PERSON", "O"]


def test_the_network_knows_a_word_whatever_its_capitals():
    model = Tagger().eval()
    characters, _ = encode([["maria", "Maria", "MARIA", "mario", "Élan", "élan", "12", "98"]])
    identity = model._identity(torch.from_numpy(characters))[1:]
    assert torch.equal(identity[0], identity[1]) and torch.equal(identity[1], identity[2])
    assert not torch.equal(identity[2], identity[3])
    assert torch.equal(identity[4], identity[5]) and torch.equal(identity[6], identity[7])


def test_onnx_says_what_torch_says_however_long_the_texts_beside_it_are():
    torch.manual_seed(1)
    model = Tagger().eval()
    samples = [Labelled("Ada met Bob.", ()), Labelled("In Rome we saw nobody whom we knew, and went home.", ())]
    graph = to_onnx(model)
    assert _difference(graph, model, samples) < 1e-4
    for bits in (32, 8):
        tagger = TaggerModel(graph, _reading(0.0, bits))
        assert tagger.find([samples[0].text])[0] == tagger.find([item.text for item in samples])[0]


def test_scores_count_characters_and_their_entity():
    model = Tagger().eval()
    with torch.no_grad():
        model.out.weight.zero_()
        model.out.bias.copy_(torch.tensor([0.0, 9.0] + [0.0] * (len(TAGS) - 2)))
    items = [Labelled("Ada saw Rome", (("PERSON", 0, 3), ("LOCATION", 8, 12)))]
    scores = measure(to_onnx(model), 0.0, items)
    assert scores == fitting.evaluate(model, items)
    assert np.isclose(scores["precision"], 0.3) and np.isclose(scores["recall"], 3 / 7)


def test_the_texts_written_by_hand_are_no_templates():
    written = {item.text for item in challenge()}
    templates = {line for lines in (*WITH_PEOPLE.values(), *WITHOUT.values()) for line in lines}
    assert len(written) >= 150 and not written & templates
    for item in challenge():
        assert all(item.text[start:end].strip() for _, start, end in item.spans)


def test_the_command_trains_exports_and_exports_again(tmp_path, monkeypatch):
    few = list(mixed(100, 1, validation=True))
    monkeypatch.setattr("training.tagger.fit.mixed", lambda *_, **__: few)
    monkeypatch.setattr("training.tagger.fit.generate", lambda *_: few[:20])
    monkeypatch.setattr("training.tagger.export.generate", lambda *_: few[:20])
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


def test_exporting_again_needs_a_run_before(tmp_path):
    with pytest.raises(TrainingError, match="train first"):
        fitting.load(tmp_path / "weights.pt")
