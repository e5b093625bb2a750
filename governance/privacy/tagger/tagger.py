"""The tagger in serving: persons, places, organisations and postal addresses, by an ONNX model that `training` made.

How a text falls into words, and how many characters of a word count, stands in the model's card: training and serving
do the same by reading the same lines. The model ships with this package; its digest stands here.
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
import onnx
import onnx.utils

from governance.errors import ConfigurationError, ManifestMismatchError
from governance.privacy.find.finding import Finding
from governance.privacy.tagger.eight_bits import lower_lstm
from governance.privacy.tagger.letter_tables import BEHIND, REACH, tabulate
from governance.privacy.tagger.time_major import make_time_major
from governance.privacy.tagger.words import Splitter, Words

FOLDER = Path(__file__).with_name("pii_tagger")
SHA256 = "10c649cd73acab6f4b6b08af05c93a3f2085dd3330947eb23c5a7155931c7eb7"
# So many words at a time; a window begins before the last one ended, so that no entity is cut by both.
WINDOW, OVERLAP = 80, 16
BATCH = 32
EIGHT = 8
# So many distinct words at a time, of about the same length.
WORDS = 512
# So many code points at a time, and so many around a piece of a long text that it is read with.
PIECE, MARGIN = 200_000, 400
MAX_SCORE, MIN_SCORE = 0.84, 0.5
# Number of the text; where its piece begins and ends; where what is read begins, and what is read.
_Piece = tuple[int, int, int, int, str]
_NEVER_LAST = frozenset(",;:(-/，；：（")


class Tagger:
    """One opened model.

    Args:
        graph: a serialized ModelProto.
        card: `tags`, `words` (a pattern), `characters` (of a word that count), `bias` (taken off "no entity"), and
            `bits` (8: the LSTM is lowered to them, as its score was measured).
        threads: of ONNX Runtime.
        weights: the data file beside the graph, where sealing moved tensors out of it.

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
        options.intra_op_num_threads, options.log_severity_level = threads, 4
        # One graph is what was trained and signed; in two parts, each distinct word is looked at once a call.
        self._table, words, texts, self._reaches = _parts(graph, weights, int(card.get("bits", 32)))
        self._encoder, self._reader = (
            onnxruntime.InferenceSession(part, options, providers=["CPUExecutionProvider"]) for part in (words, texts)
        )
        tags = [str(tag) for tag in card["tags"]]
        self._names = ["", *sorted({tag[2:] for tag in tags if tag != "O"})]
        self._entities = np.array([self._names.index(tag[2:] if tag != "O" else "") for tag in tags])
        self._inner = np.array([tag.startswith("I-") for tag in tags])
        self._splitter = Splitter(card["words"])
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
        found: list[list[Finding]] = [[] for _ in texts]
        for group in _groups(texts):
            for (number, first, last, offset, _), findings in zip(
                group, self._read([p[4] for p in group]), strict=True
            ):
                if last - first == len(texts[number]):
                    found[number] = findings
                    continue
                found[number].extend(
                    Finding(item.entity, item.start + offset, item.end + offset, item.score, item.why)
                    for item in findings
                    if first <= item.start + offset < last
                )
        return found

    def _read(self, texts: Sequence[str]) -> list[list[Finding]]:
        """Return the entities of texts that together are not long."""
        joined = "\n".join(texts)
        words = self._splitter.split(joined)
        table, places = words.distinct(self._characters)
        offsets = [0, *accumulate(len(text) + 1 for text in texts)]
        bounds = np.searchsorted(words.starts, offsets)
        windows = _all_windows(bounds)
        vectors = self._encode(table)
        logits = np.zeros((len(places), len(self._entities)), np.float32)
        for start in range(0, len(windows), BATCH):
            self._run(vectors, places, windows[start : start + BATCH], logits)
        tags, scores = self._surest(logits)
        found: list[list[Finding]] = [[] for _ in texts]
        for number, finding in self._spans(joined, words, bounds, offsets, tags, scores):
            found[number].append(finding)
        return found

    def _encode(self, table: Any) -> Any:
        """Return a vector for each distinct word; row 0 stands for no word."""
        characters = np.concatenate([np.zeros((1, self._characters), np.int64), table])
        lengths = (characters > 0).sum(axis=1)
        order = np.argsort(lengths, kind="stable")
        parts = []
        for start in range(0, len(order), WORDS):
            some = order[start : start + WORDS]
            given = {"characters": characters[some]}
            if self._reaches:
                given[REACH] = np.array([min(self._characters, lengths[some[-1]] + BEHIND)])
            parts.append(self._encoder.run([self._table], given)[0])
        vectors = np.empty((len(order), parts[0].shape[1]), np.float32)
        vectors[order] = np.concatenate(parts)
        return vectors

    def _run(self, vectors: Any, places: Any, windows: Any, logits: Any) -> None:
        """Fill in the logits of the words that these windows decide on."""
        first, last, keep, stop = (windows[:, [column]] for column in range(4))
        reach = first + np.arange(int((last - first).max()))
        positions = np.where(reach < last, places[np.minimum(reach, len(places) - 1)] + 1, 0)
        [made] = self._reader.run(["logits"], {self._table: vectors, "positions": positions})
        inner = (keep <= reach) & (reach < stop)
        logits[reach[inner]] = made[inner]

    def _surest(self, logits: Any) -> tuple[Any, Any]:
        """Return the surest tag of each word, and how sure it is; a row for each tag is read several times as fast."""
        by_tag = np.ascontiguousarray(logits.T)
        by_tag[0] -= self._bias
        highest = by_tag.max(axis=0)
        return by_tag.argmax(axis=0), 1 / np.exp(by_tag - highest).sum(axis=0)

    def _spans(
        self, text: str, words: Words, bounds: Any, offsets: Any, tags: Any, scores: Any
    ) -> Iterator[tuple[int, Finding]]:
        """Join the words of one entity, and say in which text it lies.

        A word that goes on with another entity than the one before begins its own.
        """
        entities = self._entities[tags]
        begins_text = np.zeros(len(tags) + 1, bool)
        begins_text[bounds] = True
        goes_on = self._inner[tags] & (entities == np.concatenate([[0], entities[:-1]])) & ~begins_text[:-1]
        edges = np.concatenate([np.flatnonzero(~goes_on), [len(tags)]])
        begun = np.flatnonzero((entities > 0) & ~goes_on)
        ended = edges[np.searchsorted(edges, begun, side="right")]
        total = np.concatenate([[0.0], np.cumsum(scores, dtype=np.float64)])
        sure = (total[ended] - total[begun]) / (ended - begun)
        numbers = np.searchsorted(bounds, begun, side="right") - 1
        starts, ends = words.starts, words.ends
        columns = (begun, ended - 1, sure, numbers, entities[begun], starts[begun], ends[ended - 1])
        for first, last, score, number, entity, start, end in zip(*(part.tolist() for part in columns), strict=True):
            stop, word = end, last
            while word > first and text[starts[word]] in _NEVER_LAST:
                word -= 1
                stop = int(ends[word])
            if text[start].isalnum() or any(map(str.isalnum, text[start:stop])):
                above = (MAX_SCORE - MIN_SCORE) * max(0.0, 2 * score - 1)
                before = offsets[number]
                sure_of_it = round(MIN_SCORE + above, 3)
                yield number, Finding(self._names[entity], start - before, stop - before, sure_of_it, "pii-tagger")


def _groups(texts: Sequence[str]) -> Iterator[list[_Piece]]:
    """Yield texts in groups that are not long together; a long text in pieces, each with some text around it."""
    group: list[_Piece] = []
    size = 0
    for number, text in enumerate(texts):
        for first in range(0, len(text), PIECE):
            last = min(first + PIECE, len(text))
            offset = max(0, first - MARGIN)
            piece = (number, first, last, offset, text[offset : last + MARGIN])
            if group and size + len(piece[4]) > PIECE:
                yield group
                group, size = [], 0
            group.append(piece)
            size += len(piece[4])
    if group:
        yield group


def _parts(graph: bytes, weights: bytes | memoryview, bits: int) -> tuple[str, bytes, bytes, bool]:
    """Return the graph in two, each made to be fast: characters to words' vectors, and vectors to logits.

    Returns:
        What they call the vectors, both parts, and whether the first one is told how many characters to look at.

    Raises:
        ManifestMismatchError: if it is not a tagger's graph.
    """
    model = onnx.load_model_from_string(graph)
    for tensor in model.graph.initializer:
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            _bring_in(tensor, weights)
    model = onnx.shape_inference.infer_shapes(model)
    vectors = [node.input[0] for node in model.graph.node if node.op_type == "Gather" and node.input[1] == "positions"]
    if len(vectors) != 1:
        raise ManifestMismatchError("the tagger's graph does not look up words by their positions")
    extractor = onnx.utils.Extractor(model)
    words = extractor.extract_model(["characters"], vectors)
    reaches = tabulate(words)
    texts = extractor.extract_model([vectors[0], "positions"], ["logits"])
    make_time_major(texts)
    if bits == EIGHT:
        lower_lstm(texts)
    return vectors[0], words.SerializeToString(), texts.SerializeToString(), reaches


def _bring_in(tensor: onnx.TensorProto, weights: bytes | memoryview) -> None:
    """Put a tensor's bytes back into the graph."""
    fields = {entry.key: entry.value for entry in tensor.external_data}
    first, length = int(fields.get("offset", 0)), int(fields.get("length", 0))
    if not 0 <= first < first + length <= len(weights):
        raise ManifestMismatchError("the tagger's weights are not all in the file beside its graph")
    tensor.raw_data = bytes(weights[first : first + length])
    tensor.data_location = onnx.TensorProto.DEFAULT
    del tensor.external_data[:]


def _all_windows(bounds: Any) -> Any:
    """Return the windows of texts between these words, [windows, 4]: see `_windows`.

    They are in order of their length: windows of about the same one waste no time on padding.
    """
    begins, counts = bounds[:-1], np.diff(bounds)
    short = (counts > 0) & (counts <= WINDOW)
    first, last = begins[short], bounds[1:][short]
    parts = [np.stack([first, last, first, last], axis=1)]
    parts += [begins[text] + np.array(list(_windows(int(counts[text])))) for text in np.flatnonzero(counts > WINDOW)]
    windows = np.concatenate(parts)
    return windows[np.argsort(windows[:, 1] - windows[:, 0], kind="stable")]


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
