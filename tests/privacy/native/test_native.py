"""Compiled functions return what their twins in Python return: on the labelled set, on arbitrary bytes, on attacks."""

import json
import random
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.privacy.find.candidate_filter import CandidateFilter
from governance.privacy.find.candidates import CandidateFinder
from governance.privacy.find.detect import Detectors, best_candidate_filter
from governance.privacy.find.joined_texts import join_texts, text_offsets
from governance.privacy.find.overlaps import assign_to_texts, disjoint, to_code_points
from governance.privacy.find.patterns.checks import digits_alone, digits_of, luhn, mod_97
from governance.privacy.find.patterns.detectors import DETECTORS
from governance.privacy.find.patterns.expressions import WITH_EDGES, WITHOUT_EDGES
from governance.privacy.native import TWINS
from governance.privacy.native.__main__ import main
from governance.privacy.request.leaves import Leaves, descend
from governance.privacy.request.plain import colons_of
from governance.privacy.tagger.words import distinct_words
from tests.privacy.find.test_adversarial import HOSTILE

LABELLED = Path(__file__).parents[3] / "benchmarks/pii/labelled.jsonl"
FOLDER = Path(__file__).parents[3] / "governance/privacy/native"
NAMES = sorted(source.stem for source in FOLDER.glob("*.pyx"))
if shutil.which("g++") is None:
    pytest.importorskip("governance.privacy.native.candidate_filter", reason="no compiler, no loops in C")
candidate_filter = import_module("governance.privacy.native.candidate_filter")
IN_C, IN_PYTHON = candidate_filter.CandidateFilter(), CandidateFilter(CandidateFinder())
LOOPS = {loop.__name__: (loop, twin) for loop, twin in TWINS.items()}


def both(name, *arguments):
    """Return the results of a compiled function and of its twin for the same arguments."""
    return [function(*arguments) for function in LOOPS[name]]


def test_in_c_returns_the_compiled_functions():
    assert type(best_candidate_filter()) is candidate_filter.CandidateFilter
    assert set(LOOPS) == {
        "digits_of",
        "digits_alone",
        "luhn",
        "mod_97",
        "text_offsets",
        "descend",
        "colons_of",
        "disjoint",
        "assign_to_texts",
        "to_code_points",
        "distinct_words",
    }
    assert {
        digits_of,
        digits_alone,
        luhn,
        mod_97,
        text_offsets,
        descend,
        colons_of,
        disjoint,
        assign_to_texts,
        to_code_points,
        distinct_words,
    } == set(TWINS)


def test_main_prints_which_files_are_compiled(capsys):
    main()
    assert capsys.readouterr().out.split() == [word for name in NAMES for word in (name, "compiled")]


def test_detectors_work_without_compiled_functions():
    program = f"""
import sys
sys.modules.update(dict.fromkeys(("governance.privacy.native." + name for name in {NAMES}), None))
from governance.privacy.find.detect import Detectors, best_candidate_filter
from governance.privacy.native import TWINS
assert not TWINS
print(type(best_candidate_filter()).__module__, [one.entity for one in Detectors().find("ada@example.org, 4111 1111 1111 1111")])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "governance.privacy.find.candidate_filter ['EMAIL_ADDRESS', 'CREDIT_CARD']\n"


def test_setup_installs_without_a_working_compiler(tmp_path):
    """A compiler that fails has the same effect as none."""
    root = Path(__file__).parents[3]
    shutil.copytree(root / "governance", tmp_path / "governance", ignore=shutil.ignore_patterns("*.so", "*.c", "*.cpp"))
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(root / name, tmp_path)
    build = "import os; os.environ.update(CC='false', CXX='false'); from setuptools import setup; setup()"
    command = [sys.executable, "-c", build.replace("setup()", "exec(open('setup.py').read())"), "-q", "build_py"]
    done = subprocess.run(
        [*command, "build_ext", "--inplace"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-500:]
    assert not list(tmp_path.rglob("*.so"))


@pytest.fixture(scope="module")
def labelled():
    return [json.loads(line)["text"] for line in LABELLED.read_text().splitlines()]


def test_candidate_filter_and_its_twin_agree_on_the_labelled_set(labelled):
    for joined in join_texts(labelled):
        assert IN_C(joined.data) == IN_PYTHON(joined.data)


def test_candidate_filter_and_its_twin_agree_on_pieces_of_the_labelled_set(labelled):
    draw = random.Random(7)
    for _ in range(400):
        pieces = draw.choices(labelled, k=6)
        text = "".join(piece[draw.randrange(len(piece)) :][: draw.randrange(1, 40)] for piece in pieces)
        for data in (text.encode(), text.encode()[draw.randrange(9) :], text.encode("utf-16-le")):
            assert IN_C(data) == IN_PYTHON(data), data


FRAGMENTS = [example for item in DETECTORS for example in (*item.examples, *item.counter_examples)] + [
    "\0", "\0\0", " ", ",", ".", "-", ":", "@", "(", ")", "0", "a", "é", "电话", "passport ", "phone ", "ssn ", "born "
]  # fmt: skip


@given(st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=3), max_size=14))
@settings(max_examples=600, deadline=None)
def test_candidate_filter_and_its_twin_agree_on_any_fragments(pieces):
    data = "".join(pieces).encode("utf-8", "replace")
    assert IN_C(data) == IN_PYTHON(data)


@given(st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_candidate_filter_and_its_twin_agree_on_any_bytes(data):
    assert IN_C(data) == IN_PYTHON(data)


@pytest.mark.parametrize("wrong", [None, "text", bytearray(b"a@b.org"), memoryview(b"a"), 7])
def test_candidate_filter_refuses_other_types_than_bytes(wrong):
    with pytest.raises(TypeError):
        IN_C(wrong)


class Counted:
    """A pattern that counts how often its `match` is called."""

    def __init__(self, pattern, calls):
        self._pattern, self._calls = pattern, calls

    def match(self, *place):
        self._calls.append(1)
        return self._pattern.match(*place)


@pytest.mark.parametrize("piece", HOSTILE)
def test_candidate_filter_in_c_does_work_in_proportion_to_the_text(piece):
    counts = []
    for times in (300, 600, 1200):
        calls = []
        counted = candidate_filter.CandidateFilter(
            [Counted(one, calls) for one in WITH_EDGES], [Counted(one, calls) for one in WITHOUT_EDGES]
        )
        data = (piece * times).encode()
        assert counted(data) == IN_PYTHON(data)
        counts.append(len(calls))
    assert counts[2] - counts[1] <= 2.2 * (counts[1] - counts[0]) + 100


SPANS = st.lists(
    st.tuples(st.integers(0, 30), st.integers(1, 8), st.sampled_from([0.5, 0.85, 1.0]), st.sampled_from("AB")),
    max_size=12,
).map(lambda spans: [(start, start + size, score, entity, "why") for start, size, score, entity in spans])


@given(SPANS)
def test_disjoint_and_its_twin_agree(spans):
    loop, twin = LOOPS["disjoint"]
    assert list(loop(list(spans))) == list(twin(list(spans)))


@given(SPANS, st.lists(st.text(alphabet="a1 ,é\u200b电", min_size=1, max_size=9), min_size=5, max_size=12))
def test_assign_to_texts_and_its_twin_agree(spans, texts):
    for joined in join_texts(texts):
        inside = [span for span in spans if span[1] <= len(joined.text)]
        found = []
        for function in LOOPS["assign_to_texts"]:
            found.append({})
            function(joined, sorted(disjoint(list(inside))), found[-1])
        assert found[0] == found[1]


@given(st.text(alphabet="aé电\U0001f600", max_size=12), st.lists(st.tuples(st.integers(0, 48), st.integers(0, 48))))
def test_to_code_points_and_its_twin_agree(text, places):
    data = text.encode()
    spans = [(start, end, 1.0, "A", "") for start, end in places if max(start, end) <= len(data)]
    loop, twin = both("to_code_points", data, spans)
    assert loop == twin


def test_assign_to_texts_and_to_code_points_refuse_a_span_outside_the_text():
    [joined] = join_texts(["some téxt"])
    for span in ((-1, 3, 1.0, "A", ""), (3, 99, 1.0, "A", "")):
        with pytest.raises(IndexError):
            assign_to_texts(joined, [span], {})
        with pytest.raises(IndexError):
            to_code_points(joined.data, [span])


def test_detectors_accept_a_span_of_which_nothing_is_left():
    for text in (")::", "é)::", "电):: a@b.org", "(::)", "é ::) ::", "::)", ":: )"):
        assert IN_C(text.encode()) == IN_PYTHON(text.encode())
        assert Detectors().find(text) == Detectors(candidate_filter=IN_PYTHON).find(text)


@given(st.lists(st.text(max_size=5)))
def test_text_offsets_and_its_twin_agree(texts):
    loop, twin = both("text_offsets", texts)
    assert loop == twin


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=30,
)


class Text(str):
    """A subclass of `str`, as some libraries have."""


@given(st.lists(JSON, max_size=4) | st.just([Text("a"), {Text("b"): Text("c")}]), st.integers(0, 12))
def test_descend_and_its_twin_agree(document, most):
    made = []
    for function in LOOPS["descend"]:
        leaves = Leaves()
        made.append((function([document], leaves, most), leaves))
    (done, first), (also, second) = made
    assert done == also
    assert first.texts == second.texts and first.keys == second.keys
    assert [id(one) for one in first.containers] == [id(one) for one in second.containers]
    if done:
        assert (first.members, first.floats) == (second.members, second.floats)


@given(st.lists(st.sampled_from([b'"', b":", b" ", b"\t", b"\r", b"\n", b"a", b'":', b" :"])).map(b"".join))
def test_colons_of_and_its_twin_agree(data):
    loop, twin = both("colons_of", data)
    assert loop == twin and type(loop[1]) is bool


NUMBERS = st.text(alphabet="0123456789", max_size=80)


@given(NUMBERS, NUMBERS.filter(bool), st.text(alphabet="0123456789ABXYZ", min_size=1, max_size=40))
def test_luhn_and_mod_97_and_their_twins_agree(number, one, mixed):
    for name, argument in (("luhn", number), ("mod_97", one), ("mod_97", mixed)):
        loop, twin = both(name, argument)
        assert loop == twin and type(loop) is type(twin)


@given(st.text(alphabet="0123456789 -.()/\u00a0aZ²٣é", max_size=90))
def test_digits_of_and_digits_alone_and_their_twins_agree(text):
    for name in ("digits_of", "digits_alone"):
        loop, twin = both(name, text)
        assert loop == twin


@pytest.mark.parametrize("text", ["", "a", "1-2", "é"])
def test_mod_97_refuses_a_text_that_is_no_number(text):
    for function in LOOPS["mod_97"]:
        with pytest.raises(ValueError, match="digit|literal"):
            function(text)


def words_of(texts):
    """Return words one after another, with a blank between two."""
    codes = np.frombuffer(" ".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32)
    lengths = np.array([len(text) for text in texts], np.int64)
    ends = np.cumsum(lengths) + np.arange(len(texts))
    return codes, ends - lengths, ends


def same_words(made, characters, texts):
    table, places = made
    assert table.shape[1] == characters and len(set(map(tuple, table.tolist()))) == len(table)
    wanted = [[ord(letter) for letter in text[:characters]] for text in texts]
    assert [[code for code in row if code] for row in table[places].tolist()] == wanted


@given(st.lists(st.text(alphabet="ab电\U0001f600", min_size=1, max_size=6), max_size=40), st.integers(1, 5))
def test_distinct_words_and_its_twin_agree(texts, characters):
    for made in both("distinct_words", *words_of(texts), characters):
        same_words(made, characters, texts)


def slots(words, mask):
    """Return the slot of each word, as the loop computes it: [words, letters] to [words]."""
    mixed = np.full(len(words), 0xCBF29CE484222325, np.uint64)
    for column in words.T.astype(np.uint64):
        mixed = (mixed ^ column) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    return mixed & np.uint64(mask)


def test_distinct_words_sorts_words_that_collide_on_purpose(monkeypatch):
    words = pytest.importorskip("governance.privacy.native.words")
    letters = np.array([[97 + n % 26, 97 + n // 26 % 26, 97 + n // 676 % 26, 97 + n // 17576] for n in range(456_976)])
    chosen = letters[slots(letters, 1023) == 5][:300]
    texts = ["".join(map(chr, row)) for row in chosen.tolist()]
    assert len(texts) == 300
    sorted_out = []
    by_sorting = words.distinct_by_sorting
    monkeypatch.setattr(words, "distinct_by_sorting", lambda *a: sorted_out.append(1) or by_sorting(*a))
    same_words(words.distinct_words(*words_of(texts), 16), 16, texts)
    assert sorted_out


@pytest.mark.parametrize(("start", "end"), [(-1, 2), (0, 0), (3, 2), (0, 99), (50, 52)])
def test_distinct_words_refuses_a_word_outside_its_text(start, end):
    codes, _, _ = words_of(["some", "words"])
    with pytest.raises(IndexError):
        distinct_words(codes, np.array([start]), np.array([end]), 16)


def test_compiled_detectors_find_the_same_in_many_threads(labelled):
    from concurrent.futures import ThreadPoolExecutor

    detectors, texts = Detectors(), labelled[:400]
    alone = detectors.find_all(texts)
    with ThreadPoolExecutor(4) as pool:
        assert all(found == alone for found in pool.map(detectors.find_all, [texts] * 12))
