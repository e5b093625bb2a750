"""Presidio with its pattern recognizers and an empty spaCy pipeline: reads texts from stdin and prints its speed.

The texts are a JSON list; the speed is in bytes per second of CPU time. No NER model is used. The program runs in a
separate process, and therefore with another Python if its versions conflict with ours:
`PRESIDIO_PYTHON=/path/to/python python -m benchmarks privacy`.
"""

import json
import logging
import sys
import time

import spacy
from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
from presidio_analyzer.nlp_engine import SpacyNlpEngine


class Blank(SpacyNlpEngine):
    """An empty spaCy pipeline: it only splits a text into words."""

    def __init__(self):
        super().__init__(models=[{"lang_code": "en", "model_name": "blank"}])
        self.nlp = {"en": spacy.blank("en")}

    def load(self):
        """Load nothing; the pipeline is already there."""


def main():
    """Read a JSON list of texts, search them three times, and print the best bytes per second."""
    texts = json.load(sys.stdin)
    # Presidio tries to download a list of domain suffixes and logs a long error when it cannot.
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
