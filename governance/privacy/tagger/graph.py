"""A tagger's graph as it is run: its weights put back, cut into two parts, and both rewritten for speed.

What is trained and signed is one graph. It is run in two parts, so that each distinct word of a call is computed once.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx
import onnx.utils

from governance.errors import ManifestMismatchError
from governance.privacy.tagger.int8 import quantize_lstm
from governance.privacy.tagger.letter_tables import tabulate
from governance.privacy.tagger.time_major import make_time_major

_EIGHT_BITS = 8


@dataclass(frozen=True, slots=True)
class TaggerParts:
    """The two parts of a tagger's graph.

    Attributes:
        words: a serialized ModelProto: from `characters`, [words, characters], to a vector for each word.
        texts: a serialized ModelProto: from these vectors and `positions`, [texts, words], to `logits`.
        vectors: the name of the vectors in both parts.
        has_reach: whether `words` has the input `letter_tables.REACH`.
    """

    words: bytes
    texts: bytes
    vectors: str
    has_reach: bool


def cut(graph: bytes, weights: bytes | memoryview, bits: int) -> TaggerParts:
    """Cut a tagger's graph into its two parts, and rewrite them for speed.

    Args:
        graph: a serialized ModelProto.
        weights: the data file of the graph, if some of its tensors are outside of it; else empty.
        bits: 8 to run the LSTM with weights in 8 bits; any other number leaves it as it is.

    Raises:
        ManifestMismatchError: if it is no tagger's graph, or `weights` is too short.
    """
    model = onnx.load_model_from_string(graph)
    for tensor in model.graph.initializer:
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            _put_back(tensor, weights)
    # Cutting needs the shape of the value at which it cuts.
    model = onnx.shape_inference.infer_shapes(model)
    vectors = [node.input[0] for node in model.graph.node if node.op_type == "Gather" and node.input[1] == "positions"]
    if len(vectors) != 1:
        raise ManifestMismatchError("the tagger's graph does not look up words by their positions")
    extractor = onnx.utils.Extractor(model)
    words = extractor.extract_model(["characters"], vectors)
    texts = extractor.extract_model([vectors[0], "positions"], ["logits"])
    has_reach = tabulate(words)
    make_time_major(texts)
    # Last, so that the others see ONNX's standard operator.
    if bits == _EIGHT_BITS:
        quantize_lstm(texts)
    return TaggerParts(words.SerializeToString(), texts.SerializeToString(), vectors[0], has_reach)


def _put_back(tensor: onnx.TensorProto, weights: bytes | memoryview) -> None:
    """Put the bytes of a tensor back into the graph, from the data file that it refers to."""
    fields = {entry.key: entry.value for entry in tensor.external_data}
    first, length = int(fields.get("offset", 0)), int(fields.get("length", 0))
    if not 0 <= first < first + length <= len(weights):
        raise ManifestMismatchError("the tagger's weights are not all in the data file of its graph")
    tensor.raw_data = bytes(weights[first : first + length])
    tensor.data_location = onnx.TensorProto.DEFAULT
    del tensor.external_data[:]
