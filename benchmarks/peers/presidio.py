"""Presidio with its pattern recognizers on a blank spaCy pipeline: texts on stdin, speed on stdout.

Texts are a JSON list, speed is bytes for each second of CPU.

No NER model can be had here. It runs in a process of its own, and so with a Python of its own where its versions do not
go together with ours: `PRESIDIO_PYTHON=/path/to/python python -m benchmarks privacy`.
"""

import json
import logging
import sys
import time

import spacy
from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
from presidio_analyzer.nlp_engine import SpacyNlpEngine


class Blank(SpacyNlpEngine):
    """Words alone."""

    def __init__(self):
        super().__init__(models=[{"lang_code": "en", "model_name": "blank"}])
        self.nlp = {"en": spacy.blank("en")}

    def load(self):
        """Nothing to load."""


def main():
    """Read, measure, print."""
    texts = json.load(sys.stdin)
    # It tries to fetch a list of domain suffixes, and says at length that it cannot.
    logging.disable(logging.ERROR)
    registry = RecognizerRegistry()
    registry.load_predefined_recognizers(languages=["en"])
    registry.recognizers = [item for item in registry.recognizers if type(item).__name__ != "SpacyRecognizer"]
    engine = AnalyzerEngine(nlp_engine=Blank(), registry=registry, supported_languages=["en"])
    times = []
    for _ in range(3):
        started = time.process_time()
        for text in texts:
            engine.analyze(text, language="en")
        times.append(time.process_time() - started)
    print(sum(len(text.encode()) for text in texts) / min(times[1:]))


if __name__ == "__main__":
    main()
