"""What people write between a label and its value, and lists of words that several detectors use."""

from __future__ import annotations

# ": ", "=", "' => '", " - ", " is ".
GLUE = r"(?i:['\"]?(?: (?:is|was|ist|est|es)[ :]|[ \t:=#|>.,\-]|：|–|是){1,4}['\"]?)"
# The same after a label of numbers: " number is: ", " no.".
IS = rf"(?i:(?:[ _\-]?(?:number|no|nr))?{GLUE})"
# Between a label and a secret, which may be any word.
IS_SECRET = r"(?:['\"]?[ \t]?(?:[:=]|：|=>)[ \t]?['\"]?)"  # noqa: S105 — an expression
