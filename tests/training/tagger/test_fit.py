"""The network of the tagger, its training loop and its scores."""

import random

import numpy as np
import pytest
import torch

from training.config import TrainingError
from training.tagger import fit as fitting
from training.tagger.corpus.labelled import LabelledText
from training.tagger.corpus.texts import line_texts
from training.tagger.fit import FitOptions, fit, load_checkpoint, make_batches, make_example
from training.tagger.model import CHARACTERS, TAGS, TaggerNetwork, encode, split_words
from training.tagger.scores import MAX_WORDS, CharacterCounts, evaluate


@pytest.fixture
def few_texts(monkeypatch):
    few = line_texts(100, 1)
    monkeypatch.setattr(fitting, "mixed_texts", lambda *_: few)
    monkeypatch.setattr(fitting, "mixed_validation", lambda *_: few[:20])


def test_make_example_tags_words_of_spans():
    words, tags = make_example(LabelledText("Call Maria Lopez now", (("PERSON", 5, 16), ("EMAIL_ADDRESS", 17, 20))))
    assert words == ["Call", "Maria", "Lopez", "now"]
    assert [TAGS[tag] for tag in tags] == ["O", "B-PERSON", "I-PERSON", "O"]
    assert len(make_example(LabelledText("word " * 2 * MAX_WORDS, ()))[0]) == MAX_WORDS


def test_split_words_gives_code_points():
    words = split_words("Zoë, 36 在 x_1")
    assert words.words == ["Zoë", ",", "36", "在", "x", "_", "1"]
    assert words.starts == [0, 3, 5, 8, 10, 11, 12] and words.ends == [3, 4, 7, 9, 11, 12, 13]


def test_encode_gives_each_distinct_word_one_row():
    characters, positions = encode([["a", "b", "a"], ["b"]])
    assert characters.shape == (3, CHARACTERS) and not characters[0].any()
    assert positions.tolist() == [[1, 2, 1], [2, 0, 0]]


def test_known_words_ignores_capitals_and_digits():
    network = TaggerNetwork().eval()
    characters, _ = encode([["maria", "Maria", "MARIA", "mario", "Élan", "élan", "12", "98"]])
    vectors = network.known_words(torch.from_numpy(characters))[1:]
    assert torch.equal(vectors[0], vectors[1]) and torch.equal(vectors[1], vectors[2])
    assert not torch.equal(vectors[2], vectors[3])
    assert torch.equal(vectors[4], vectors[5]) and torch.equal(vectors[6], vectors[7])


def test_make_batches_contains_each_example_once_and_similar_lengths():
    examples = [(["w"] * length, [0] * length) for length in range(1, 51)]
    batches = make_batches(examples, 10, random.Random(1))
    assert sorted(len(words) for batch in batches for words, _ in batch) == list(range(1, 51))
    assert all(len(batch) == 10 and len(batch[-1][0]) - len(batch[0][0]) == 9 for batch in batches)


def test_character_counts_counts_characters_and_their_entity():
    counts = CharacterCounts()
    counts.add(LabelledText("Ada saw Rome", (("PERSON", 0, 3), ("LOCATION", 8, 12))), [("PERSON", 0, 7)])
    assert (counts.right, counts.wrong, counts.missed) == (3, 3, 4)


def test_evaluate_counts_words_behind_the_last_tag_as_missed():
    network = TaggerNetwork()
    with torch.no_grad():
        network.out.weight.zero_()
        network.out.bias.copy_(torch.tensor([0.0, 9.0] + [0.0] * (len(TAGS) - 2)))
    text = "Ada " * (MAX_WORDS + 1)
    scores = evaluate(network, [LabelledText(text, tuple(("PERSON", n, n + 3) for n in range(0, len(text), 4)))])
    assert scores["precision"] == 1 and np.isclose(scores["recall"], MAX_WORDS / (MAX_WORDS + 1))


def test_fit_keeps_the_best_weights_and_resumes_from_them(few_texts, tmp_path):
    checkpoint = tmp_path / "weights.pt"
    network, history = fit(FitOptions(texts=100, epochs=2, threads=1), checkpoint)
    assert [record["epoch"] for record in history] == [1, 2] and history[1]["loss"] < history[0]["loss"]
    kept, records = load_checkpoint(checkpoint)
    assert records == history[: len(records)] and records[-1]["f2"] == max(record["f2"] for record in history)
    for name, weights in network.state_dict().items():
        assert torch.equal(weights, kept.state_dict()[name])
    _, longer = fit(FitOptions(texts=100, epochs=1, seed=8, threads=1), checkpoint, resume=True)
    assert longer[:-1] == records and longer[-1]["epoch"] == len(records) + 1 and longer[-1]["seed"] == 8


def test_fit_gives_the_same_weights_for_the_same_seed(few_texts):
    options = FitOptions(texts=100, epochs=1, threads=1)
    one, other = fit(options)[0], fit(options)[0]
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_load_checkpoint_without_a_run_says_what_to_do(tmp_path):
    with pytest.raises(TrainingError, match="train first"):
        load_checkpoint(tmp_path / "weights.pt")
