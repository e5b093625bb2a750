"""The tagger in serving: persons, places, organisations and postal addresses, by an ONNX model that `training` made.

How a text falls into words, and how many characters of a word count, stands in the model's card: training and serving
do the same by reading the same lines. The model ships with this package; its digest stands here.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.utils

from governance.errors import ConfigurationError, ManifestMismatchError
from governance.privacy.finding import Finding

FOLDER = Path(__file__).with_name("pii_tagger")
SHA256 = "ecd2d8060f1e67ddd69696fe806f6f9827acaca04cae2975d572da0ab0ca2c88"
# So many words at a time; a window begins before the last one ended, so that no entity is cut by both.
WINDOW, OVERLAP = 80, 16
BATCH = 64
# So many distinct words at a time.
WORDS = 4096
MAX_SCORE, MIN_SCORE = 0.84, 0.5
_NEVER_LAST = frozenset(",;:(-/，；：（")


class Tagger:
    """One opened model.

    Args:
        graph: a serialized ModelProto.
        card: `tags`, `words` (a pattern), `characters` (of a word that count), and `bias` (taken off "no entity").
        threads: of ONNX Runtime.
    """

    def __init__(self, graph: bytes, card: Mapping[str, Any], threads: int = 1) -> None:
        try:
            import onnxruntime
        except ImportError:
            raise ConfigurationError("the tagger needs ONNX Runtime: pip install 'bento-governance[cpu]'") from None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = threads, 4
        # One graph is what was trained and signed; in two parts, each distinct word is looked at once a call.
        self._table, words, texts = _parts(graph)
        self._encoder, self._reader = (
            onnxruntime.InferenceSession(part, options, providers=["CPUExecutionProvider"]) for part in (words, texts)
        )
        self._tags: list[str] = list(card["tags"])
        self._words = re.compile(card["words"])
        self._characters, self._bias = int(card["characters"]), float(card["bias"])

    @classmethod
    def from_folder(cls, folder: Path, sha256: str | None) -> Tagger:
        """Open the model of a folder.

        Args:
            sha256: what the model's file must be, in hex; None where its artifact was verified already.

        Raises:
            ConfigurationError: if it cannot be read.
            ManifestMismatchError: if it is another one.
        """
        try:
            graph, card = (folder / "model.onnx").read_bytes(), json.loads((folder / "card.json").read_text())
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"the tagger cannot be read from {folder}: {type(error).__name__}") from None
        if sha256 is not None and hashlib.sha256(graph).hexdigest() != sha256:
            raise ManifestMismatchError("the tagger's model is not the one that this version ships")
        return cls(graph, card)

    def find(self, texts: Sequence[str]) -> list[list[Finding]]:
        """Return the entities of each text, in code points; many texts at once are faster than one by one."""
        split = [list(self._words.finditer(text)) for text in texts]
        every = [word for words in split for word in words]
        windows: list[tuple[int, ...]] = []
        before = 0
        for words in split:
            windows.extend(tuple(before + place for place in window) for window in _windows(len(words)))
            before += len(words)
        # Windows of about the same length waste no time on padding.
        windows.sort(key=lambda window: window[1] - window[0])
        rows: dict[str, int] = {}
        places = np.array([rows.setdefault(word[0][: self._characters], len(rows) + 1) for word in every], np.int64)
        table = self._encode(rows)
        tags, scores = np.zeros(len(every), np.int64), np.zeros(len(every), np.float32)
        for start in range(0, len(windows), BATCH):
            self._tag(table, places, windows[start : start + BATCH], tags, scores)
        listed, sure = tags.tolist(), scores.tolist()
        found, before = [], 0
        for words in split:
            place = slice(before, before + len(words))
            found.append(list(self._spans(words, listed[place], sure[place])))
            before += len(words)
        return found

    def _encode(self, rows: Mapping[str, int]) -> Any:
        """Return a vector for each distinct word; row 0 stands for no word."""
        characters = np.zeros((len(rows) + 1, self._characters), np.int64)
        for word, row in rows.items():
            characters[row, : len(word)] = [ord(character) for character in word]
        parts = [
            self._encoder.run([self._table], {"characters": characters[start : start + WORDS]})[0]
            for start in range(0, len(characters), WORDS)
        ]
        return np.concatenate(parts)

    def _tag(self, table: Any, places: Any, windows: Sequence[tuple[int, ...]], tags: Any, scores: Any) -> None:
        positions = np.zeros((len(windows), max(last - first for first, last, _, _ in windows)), np.int64)
        for number, (first, last, _, _) in enumerate(windows):
            positions[number, : last - first] = places[first:last]
        [logits] = self._reader.run(["logits"], {self._table: table, "positions": positions})
        logits[..., 0] -= self._bias
        best = logits.argmax(axis=-1)
        shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
        sure = shifted.max(axis=-1) / shifted.sum(axis=-1)
        for number, (first, _, keep, stop) in enumerate(windows):
            inner = slice(keep - first, stop - first)
            tags[keep:stop], scores[keep:stop] = best[number, inner], sure[number, inner]

    def _spans(self, words: Sequence[re.Match[str]], tags: Sequence[int], scores: Sequence[float]) -> Iterator[Finding]:
        """Join the words of one entity; a word that goes on with another entity than the one before begins its own."""
        begun: int | None = None
        for number in range(len(words) + 1):
            tag = self._tags[tags[number]] if number < len(words) else "O"
            if begun is not None and (tag[:1] != "I" or tag[2:] != self._tags[tags[begun]][2:]):
                sure = sum(scores[begun:number]) / (number - begun)
                score = MIN_SCORE + (MAX_SCORE - MIN_SCORE) * max(0.0, 2 * sure - 1)
                entity, end = self._tags[tags[begun]][2:], number
                while end > begun + 1 and words[end - 1][0] in _NEVER_LAST:
                    end -= 1
                if any(word[0].isalnum() for word in words[begun:end]):
                    yield Finding(entity, words[begun].start(), words[end - 1].end(), round(score, 3), "pii-tagger")
                begun = None
            if begun is None and tag != "O":
                begun = number


def _parts(graph: bytes) -> tuple[str, bytes, bytes]:
    """Return the graph in two: characters to words' vectors, and vectors to logits; and what they call the vectors.

    Raises:
        ManifestMismatchError: if it is not a tagger's graph.
    """
    model = onnx.shape_inference.infer_shapes(onnx.load_model_from_string(graph))
    vectors = [node.input[0] for node in model.graph.node if node.op_type == "Gather" and node.input[1] == "positions"]
    if len(vectors) != 1:
        raise ManifestMismatchError("the tagger's graph does not look up words by their positions")
    extractor = onnx.utils.Extractor(model)
    words = extractor.extract_model(["characters"], vectors)
    texts = extractor.extract_model([vectors[0], "positions"], ["logits"])
    return vectors[0], words.SerializeToString(), texts.SerializeToString()


def _windows(count: int) -> Iterator[tuple[int, ...]]:
    """Yield first and last word of each window, and which of them it decides on: those far from its edges."""
    first = 0
    while count:
        last = min(first + WINDOW, count)
        keep = first if first == 0 else first + OVERLAP // 2
        stop = last if last == count else last - OVERLAP // 2
        yield first, last, keep, stop
        if last == count:
            return
        first = last - OVERLAP


@lru_cache
def shipped_tagger() -> Tagger:
    """Open the model that this package ships, once.

    Raises:
        ConfigurationError: if ONNX Runtime is not installed.
        ManifestMismatchError: if the file was changed.
    """
    return Tagger.from_folder(FOLDER, SHA256)
