"""The opened tagger: texts in, findings of persons, places, organisations and postal addresses out.

How a text is split into words, and how many characters of a word count, is in the model's card: training and serving
read the same lines. The model of this package is verified by the digest below.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from governance.errors import ConfigurationError, ManifestMismatchError
from governance.privacy.find.finding import Finding
from governance.privacy.tagger.composed import compose
from governance.privacy.tagger.graph import cut
from governance.privacy.tagger.letter_tables import PLACES_AFTER, REACH
from governance.privacy.tagger.windows import all_windows, group_pieces
from governance.privacy.tagger.words import WordSpans, WordSplitter

FOLDER = Path(__file__).with_name("pii_tagger")
# Of `pii_tagger/model.onnx`, in hex.
SHA256 = "7dec0a3ee1bc43f23af550b8ad9b4775155c5617b87352e620d802d0fa2f0078"
# Windows that are run at a time, and distinct words that are, of about the same length.
_WINDOWS_AT_ONCE, _WORDS_AT_ONCE = 32, 512
# From probabilities to scores, if the card has no `calibration`: above the threshold of `find`, and below the scores of
# patterns that passed a check.
_CALIBRATION = ((0.5, 0.5), (1.0, 0.84))
# Marks with which no entity ends, though words between its words may be such marks.
_NEVER_LAST = frozenset(",;:(-/，；：（")


class TaggerModel:
    """An opened model.

    It may be used by several threads at once.

    Args:
        graph: a serialized ModelProto.
        card: the model's card. It has `tags`, a list of `O`, `B-ENTITY` and `I-ENTITY`; `words`, a pattern;
            `characters`, how many of a word count; and `bias`, which is taken off the logit of `O`. It may have
            `pairs`, a pattern of characters that are read together with the next one; `bits`, 8 if the model's scores
            were measured with an LSTM in 8 bits; and `calibration`, ascending pairs of a probability and the score that
            it means.
        threads: of ONNX Runtime.
        weights: the data file of the graph, if sealing moved tensors out of it.

    Raises:
        ConfigurationError: if ONNX Runtime is not installed, or the card splits words in another way.
        ManifestMismatchError: if it is not a tagger's graph, or weights are missing.
    """

    def __init__(
        self, graph: bytes, card: Mapping[str, Any], threads: int = 1, weights: bytes | memoryview = b""
    ) -> None:
        try:
            import onnxruntime
        except ImportError:
            raise ConfigurationError("the tagger needs ONNX Runtime: pip install 'bento-governance[cpu]'") from None
        options = onnxruntime.SessionOptions()
        # Severity 4: fatal errors only. Others become exceptions, and warnings about shapes would fill the log.
        options.intra_op_num_threads, options.log_severity_level = threads, 4
        parts = cut(graph, weights, int(card.get("bits", 32)))
        self._vectors, self._has_reach = parts.vectors, parts.has_reach
        self._word_session, self._text_session = (
            onnxruntime.InferenceSession(part, options, providers=["CPUExecutionProvider"])
            for part in (parts.words, parts.texts)
        )
        tags = [str(tag) for tag in card["tags"]]
        # Entity 0 is none. By number of a tag: its entity, and whether it goes on with the entity of the word before.
        self._names = ["", *sorted({tag[2:] for tag in tags if tag != "O"})]
        self._entities = np.array([self._names.index(tag[2:] if tag != "O" else "") for tag in tags])
        self._inner = np.array([tag.startswith("I-") for tag in tags])
        self._splitter = WordSplitter(card["words"], str(card.get("pairs", "")))
        self._probabilities, self._scores = np.array(card.get("calibration", _CALIBRATION), np.float64).T
        self._characters, self._bias = int(card["characters"]), float(card["bias"])

    @classmethod
    def from_folder(cls, folder: Path, sha256: str | None) -> TaggerModel:
        """Open the model in a folder: `model.onnx` and `card.json`.

        Args:
            folder: where the two files are.
            sha256: the digest that `model.onnx` must have, in hex; None if its artifact was verified already.

        Raises:
            ConfigurationError: if a file cannot be read.
            ManifestMismatchError: if the model has another digest, or is no tagger's.
        """
        try:
            graph, card = (folder / "model.onnx").read_bytes(), json.loads((folder / "card.json").read_text())
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"the tagger cannot be read from {folder}: {type(error).__name__}") from None
        if sha256 is not None and hashlib.sha256(graph).hexdigest() != sha256:
            raise ManifestMismatchError("the tagger's model is not the one that this version ships")
        return cls(graph, card)

    def find(self, texts: Sequence[str]) -> list[list[Finding]]:
        """Return the findings of each text, in order; many texts at once are faster than one by one.

        Example: `["Maria Gonzalez flew from Lisbon."]` has a `PERSON` from 0 to 14 and a `LOCATION` from 25 to 31.

        Args:
            texts: any texts, composed (NFC) or not; places in findings are code points of them.
        """
        composed = [compose(text) for text in texts]
        found = self._find([item.text for item in composed])
        return [
            findings if item.starts is None else [item.map_back(finding) for finding in findings]
            for item, findings in zip(composed, found, strict=True)
        ]

    def _find(self, texts: Sequence[str]) -> list[list[Finding]]:
        """Return the findings of each text, all in NFC."""
        found: list[list[Finding]] = [[] for _ in texts]
        for group in group_pieces(texts):
            for piece, findings in zip(group, self._read([piece.text for piece in group]), strict=True):
                if piece.last - piece.first == len(texts[piece.number]):
                    found[piece.number] = findings
                    continue
                # A finding belongs to the piece in which it begins; in the text around a piece, another one decides.
                found[piece.number].extend(
                    Finding(item.entity, item.start + piece.offset, item.end + piece.offset, item.score, item.why)
                    for item in findings
                    if piece.first <= item.start + piece.offset < piece.last
                )
        return found

    def _read(self, texts: Sequence[str]) -> list[list[Finding]]:
        """Return the findings of each text; together they are not longer than a piece."""
        joined = "\n".join(texts)
        words = self._splitter.split(joined)
        table, places = words.distinct(self._characters)
        offsets = [0, *accumulate(len(text) + 1 for text in texts)]
        bounds = np.searchsorted(words.starts, offsets)
        windows = all_windows(bounds)
        vectors = self._vectors_of(table)
        logits = np.zeros((len(places), len(self._entities)), np.float32)
        for start in range(0, len(windows), _WINDOWS_AT_ONCE):
            self._fill_logits(vectors, places, windows[start : start + _WINDOWS_AT_ONCE], logits)
        tags, scores = self._best_tags(logits)
        found: list[list[Finding]] = [[] for _ in texts]
        for number, finding in self._findings(joined, words, bounds, offsets, tags, scores):
            found[number].append(finding)
        return found

    def _vectors_of(self, table: Any) -> Any:
        """Return a vector for each distinct word, [1 + distinct, features]; row 0 is that of padding.

        Args:
            table: [distinct, characters], code points.
        """
        characters = np.concatenate([np.zeros((1, self._characters), np.int64), table])
        lengths = (characters > 0).sum(axis=1)
        # Words of about the same length are run together, so that little is computed for padding.
        order = np.argsort(lengths, kind="stable")
        parts = []
        for start in range(0, len(order), _WORDS_AT_ONCE):
            some = order[start : start + _WORDS_AT_ONCE]
            inputs = {"characters": characters[some]}
            if self._has_reach:
                inputs[REACH] = np.array([min(self._characters, lengths[some[-1]] + PLACES_AFTER)])
            parts.append(self._word_session.run([self._vectors], inputs)[0])
        vectors = np.empty((len(order), parts[0].shape[1]), np.float32)
        vectors[order] = np.concatenate(parts)
        return vectors

    def _fill_logits(self, vectors: Any, places: Any, windows: Any, logits: Any) -> None:
        """Run some windows, and fill in the logits of the words that they decide on.

        Args:
            vectors: [1 + distinct, features].
            places: [words], rows of the table of distinct words.
            windows: [windows, 4], as `windows.windows` yields them.
            logits: [words, tags]; is changed.
        """
        first, last, decide_from, decide_to = (windows[:, [column]] for column in range(4))
        # [windows, longest]: the number of each word. A word after the end of its window gets position 0, padding.
        words = first + np.arange(int((last - first).max()))
        positions = np.where(words < last, places[np.minimum(words, len(places) - 1)] + 1, 0)
        [made] = self._text_session.run(["logits"], {self._vectors: vectors, "positions": positions})
        decided = (decide_from <= words) & (words < decide_to)
        logits[words[decided]] = made[decided]

    def _best_tags(self, logits: Any) -> tuple[Any, Any]:
        """Return the most probable tag of each word, [words], and its probability, [words]."""
        # One row for each tag: the rows are long, and numpy reduces them several times as fast as short ones.
        by_tag = np.ascontiguousarray(logits.T)
        by_tag[0] -= self._bias
        highest = by_tag.max(axis=0)
        # Softmax of the highest logit: its own exponential is 1.
        return by_tag.argmax(axis=0), 1 / np.exp(by_tag - highest).sum(axis=0)

    def _findings(
        self, text: str, words: WordSpans, bounds: Any, offsets: Any, tags: Any, scores: Any
    ) -> Iterator[tuple[int, Finding]]:
        """Yield findings, each with the number of its text: words of one entity in a row become one finding.

        Args:
            text: all texts.
            words: its words.
            bounds: [texts + 1], the first word of each text.
            offsets: [texts + 1], where each text begins.
            tags: [words].
            scores: [words], the probabilities of these tags.
        """
        first, end = self._entity_runs(bounds, tags)
        total = np.concatenate([[0.0], np.cumsum(scores, dtype=np.float64)])
        mean = (total[end] - total[first]) / (end - first)
        numbers = np.searchsorted(bounds, first, side="right") - 1
        columns = (first, end - 1, mean, numbers, self._entities[tags[first]], words.starts[first], words.ends[end - 1])
        for begin, last, probability, number, entity, start, end_of_last in zip(
            *(column.tolist() for column in columns), strict=True
        ):
            stop = _without_last_marks(text, words, begin, last, end_of_last)
            if text[start].isalnum() or any(map(str.isalnum, text[start:stop])):
                offset, score = (
                    offsets[number],
                    round(float(np.interp(probability, self._probabilities, self._scores)), 3),
                )
                yield number, Finding(self._names[entity], start - offset, stop - offset, score, "pii-tagger")

    def _entity_runs(self, bounds: Any, tags: Any) -> tuple[Any, Any]:
        """Return the first word of each entity, [findings], and one after its last word, [findings].

        A word goes on with the entity of the word before if its tag says so, has the same entity, and is in the same
        text. A word whose tag goes on with another entity begins its own.
        """
        entities = self._entities[tags]
        begins_text = np.zeros(len(tags) + 1, bool)
        begins_text[bounds] = True
        goes_on = self._inner[tags] & (entities == np.concatenate([[0], entities[:-1]])) & ~begins_text[:-1]
        edges = np.concatenate([np.flatnonzero(~goes_on), [len(tags)]])
        first = np.flatnonzero((entities > 0) & ~goes_on)
        return first, edges[np.searchsorted(edges, first, side="right")]


def _without_last_marks(text: str, words: WordSpans, first: int, last: int, stop: int) -> int:
    """Return the end of an entity from word `first` to word `last` without marks like commas at its end."""
    while last > first and text[words.starts[last]] in _NEVER_LAST:
        last -= 1
        stop = int(words.ends[last])
    return stop


@lru_cache
def shipped_tagger() -> TaggerModel:
    """Open the model of this package; it is opened once.

    Raises:
        ConfigurationError: if ONNX Runtime is not installed.
        ManifestMismatchError: if the file was changed.
    """
    return TaggerModel.from_folder(FOLDER, SHA256)
