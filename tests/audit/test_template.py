"""Templates of audit entries: byte for byte what the encoder makes."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.audit.entry import Entry, encode_entry
from governance.audit.template import EntryTemplate

text = st.text(max_size=20) | st.sampled_from(["100%", "%b%d%%", '"', "\\", "é"])
number = st.integers(0, 2**53 - 1)


def entry(**changes):
    fields = {
        "v": 1, "id": "0", "time_us": 0, "duration_us": 1, "method": "POST", "route": "/v2", "action": "infer",
        "outcome": "answered", "reason": None, "status": 200, "caller": "demo", "key_id": "k", "purpose": None,
        "model": "m", "version": "1", "model_digest": None, "items": 1, "policies": ["p"], "policy_digest": None,
        "redactions": {}, "request": "0", "reply": "0",
    }  # fmt: skip
    return Entry(**(fields | changes))


@given(
    st.builds(dict, caller=text, purpose=text, policies=st.lists(text, max_size=3), items=number), number, number, text
)
def test_filled_template_is_what_the_encoder_makes(words, duration, time, entry_id):
    template = EntryTemplate.of(entry(**words))
    own = {"duration_us": duration, "time_us": time, "id": entry_id, "reply": "ab" * 32, "request": "cd" * 32}
    made = template.fill(duration, entry_id, "ab" * 32, "cd" * 32, time)
    assert made == encode_entry(msgspec.structs.replace(entry(**words), **own))


@pytest.mark.parametrize(
    "word", ["id:of:the:entry", "reply:of:the:entry", "x request:of:the:entry", "-6543210987654321"]
)
def test_words_that_look_like_a_place_get_no_template(word):
    assert EntryTemplate.of(entry(caller=word)) is None
