"""What is wrong with digits that could be read: found and said before training begins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from governance.drift.learning import LEAST_ITEMS
from training.config import CLASSES
from training.data.digits import VALIDATION_SHARES, BadDataError, LabelledImages, Part, Source, some

# Fewest images of a class: with a tenth each, validation and test part get one.
FEWEST = 10
# Neighbours that are asked about the label of an image, and most images that are compared.
NEIGHBOURS, COMPARED = 5, 5000
# Labels that all neighbours contradict. Of clean digits they are 0.007, of digits with a tenth of wrong labels 0.05.
MOST_CONTRADICTED = 0.035
# Labels that the majority of neighbours contradicts. Of 100 clean digits they are 0.33, and 0.06 of 5,000.
MOST_OUTVOTED = 0.45
# With fewer images, neighbours are too far away for a count of contradictions.
FEWEST_COMPARED = 500
# Share of constant pixels above which an image holds too little. Of the digits it is 0.15, the border.
MOST_CONSTANT = 0.9
# A class that has less than this share of the largest class is named.
RARE = 0.1


@dataclass(frozen=True, slots=True)
class Findings:
    """What a check of data found.

    Attributes:
        problems: sentences; with one, the data cannot be trained on.
        notes: sentences about what should be looked at.
    """

    problems: tuple[str, ...]
    notes: tuple[str, ...]


def verify(source: Source, where: str) -> tuple[str, ...]:
    """Check digits, and return the notes about what should be looked at.

    Args:
        source: the digits.
        where: the file or folder, for the message.

    Raises:
        BadDataError: if they cannot be trained on; the message says why and what to do.
    """
    findings = examine(source)
    if findings.problems:
        raise BadDataError(where, findings.problems)
    return findings.notes


def examine(source: Source) -> Findings:
    """Return what is wrong with digits: classes, pixels, and labels that similar images contradict."""
    problems = [
        *_class_problems(source),
        *_size_problem(source),
        *(found for part in source.parts for found in _pixel_problems(part)),
    ]
    notes = [*_rare_classes(source), *_leaks(source)]
    if not problems:
        for part in source.parts:
            found = _label_findings(part)
            problems += found.problems
            notes += found.notes
    return Findings(tuple(problems), tuple(notes))


def _counts(content: LabelledImages) -> NDArray[np.int64]:
    return np.bincount(content.labels, minlength=len(CLASSES))


def _class_problems(source: Source) -> Iterator[str]:
    for part in source.parts:
        counts, title = _counts(part.content), f"the part {part.name}" if part.name else "the data"
        present = [name for name, count in zip(CLASSES, counts, strict=True) if count]
        few = [f"{name} ({count})" for name, count in zip(CLASSES, counts, strict=True) if 0 < count < FEWEST]
        missing = [name for name in CLASSES if name not in present]
        if not present:
            yield f"{title} has no images: add some, at least {FEWEST} of each class"
            continue
        if len(present) == 1:
            yield f"{title} has one class only, {present[0]}: add images of the other classes"
        elif missing:
            yield f"{title} has no images of {', '.join(missing)}: add at least {FEWEST} of each"
        if few:
            yield f"{title} has fewer than {FEWEST} images of {', '.join(few)}: add images"


def _size_problem(source: Source) -> Iterator[str]:
    """A model is exported with a reference profile of its validation part, so this must be large enough."""
    count, least = len(source.parts[0].content.labels), LEAST_ITEMS / VALIDATION_SHARES[len(source.parts)]
    if count < least:
        yield (
            f"there are {count:,} images to train on, and at least {least:,.0f} are needed, so that the validation "
            f"part has the {LEAST_ITEMS} of a reference profile: add images"
        )


def _pixel_problems(part: Part) -> Iterator[str]:
    images = part.content.images
    if not len(images):
        return
    flat = images.reshape(len(images), -1)
    plain = np.flatnonzero(flat.max(axis=1) == flat.min(axis=1))
    constant = float((flat.max(axis=0) == flat.min(axis=0)).mean())
    if len(images) > 1 and constant > MOST_CONSTANT:
        yield (
            f"{constant:.0%} of the pixels have the same value in every image, so there is little to learn from: "
            "check how the images were made"
        )
    elif len(plain) > len(images) / 100:
        places = some([part.name_of(int(place)) for place in plain])
        yield f"{len(plain):,} of {len(images):,} images have one shade only ({places}): replace or remove them"
    if np.median(flat.mean(axis=1)) > 127:
        yield "most images are dark ink on light paper, and must have light ink on black: invert them"


def _rare_classes(source: Source) -> Iterator[str]:
    total = np.sum([_counts(part.content) for part in source.parts], axis=0)
    rare = [f"{name} ({n:,})" for name, n in zip(CLASSES, total, strict=True) if 0 < n < RARE * total.max()]
    if rare:
        yield f"few images of {', '.join(rare)}; the largest class has {total.max():,}: scores of these are uncertain"


def _leaks(source: Source) -> Iterator[str]:
    if len(source.parts) < 2:
        return
    seen = {image.tobytes() for image in source.parts[0].content.images}
    again = sum(image.tobytes() in seen for image in source.parts[1].content.images)
    if again:
        yield f"{again:,} images of the test part are in the train part, too: scores will be too good; remove them"


def _label_findings(part: Part) -> Findings:
    """Compare each label with those of the most similar images, as Wilson (1972) edits data for nearest neighbours."""
    places = _drawn(len(part.content.labels))
    labels = part.content.labels[places]
    votes = _votes(part.content.images[places].reshape(len(places), -1).astype(np.float32), labels)
    outvoted = votes.argmax(axis=1) != labels
    contradicted = np.flatnonzero(outvoted & (votes.max(axis=1) == NEIGHBOURS))
    if outvoted.mean() > MOST_OUTVOTED:
        return Findings(
            (
                f"{outvoted.mean():.0%} of the labels differ from those of the most similar images, so images and "
                "labels seem mixed up: check their order",
            ),
            (),
        )
    if not len(contradicted):
        return Findings((), ())
    guesses = votes.argmax(axis=1)
    doubts = some([f"{part.name_of(int(places[n]))}: {labels[n]}, looks like {guesses[n]}" for n in contradicted])
    text = f"{len(contradicted):,} of {len(places):,} labels differ from those of all similar images ({doubts})"
    if len(places) >= FEWEST_COMPARED and len(contradicted) > MOST_CONTRADICTED * len(places):
        return Findings((f"{text}: too many to be clean data, correct them",), ())
    return Findings((), (f"{text}: look at them",))


def _drawn(count: int) -> NDArray[np.int64]:
    """Return the sorted places of the images that are compared, always the same for the same count."""
    if count <= COMPARED:
        return np.arange(count)
    return np.sort(np.random.default_rng(0).choice(count, COMPARED, replace=False))


def _votes(features: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return for each image how many of its nearest other images have each label, int64 [n, classes]."""
    from sklearn.neighbors import NearestNeighbors

    # `kneighbors` without an argument leaves each image out of its own neighbours.
    near = NearestNeighbors(n_neighbors=NEIGHBOURS).fit(features).kneighbors(return_distance=False)
    votes: NDArray[np.int64] = np.eye(len(CLASSES), dtype=np.int64)[labels[near]].sum(axis=1)
    return votes
