"""Precision and recall of the classifiers against a reader's labels, per class, with Wilson intervals.

    python -m steering_core.quality.accuracy [--texts FILE]

Needs the texts: published completions ($STUDY_DATA, $STUDY_CLONES; see `labeled`), and the tiny checkpoints' answers as
a JSON object {source: [texts]}, which `python -m fixtures.train.labeled FILE` writes. What is absent is named.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from steering_core.quality import CLASSIFIERS, DEFAULT_CLASSIFIER, Quality, classify
from steering_core.quality.labeled import Half, LabeledText, pair, published_texts, read_labels
from steering_core.quality.strict_v3 import loops
from steering_core.statistics import wilson_interval

HALVES: tuple[Half, ...] = ("tune", "test")
SCORED = (Quality.COHERENT, Quality.GARBLED, Quality.NORMAL)
LabeledPairs = Sequence[tuple[LabeledText, str]]


@dataclass(frozen=True)
class Share:
    """`right` of `total`, as a proportion with its Wilson 95 % interval."""

    right: int
    total: int

    @property
    def point(self) -> float:
        """The share; 1 where there is nothing to count."""
        return self.right / self.total if self.total else 1.0

    def __str__(self) -> str:
        if not self.total:
            return "none"
        low, high = wilson_interval(self.right, self.total)
        return f"{self.right}/{self.total} = {self.point:.3f} [{low:.3f}, {high:.3f}]"


def class_accuracy(
    labeled: LabeledPairs, quality: Quality, classifier: str = DEFAULT_CLASSIFIER
) -> tuple[Share, Share]:
    """Precision and recall of one class."""
    given = [label.label is quality for label, _ in labeled]
    found = [classify(text, classifier) is quality for _, text in labeled]
    both = sum(a and b for a, b in zip(given, found, strict=True))
    return Share(both, sum(found)), Share(both, sum(given))


def loop_accuracy(labeled: LabeledPairs) -> tuple[Share, Share]:
    """Precision and recall of the looping flag, on the texts where a reader was sure."""
    sure = [(label.loops, loops(text)) for label, text in labeled if label.loops is not None]
    both = sum(bool(given and found) for given, found in sure)
    return Share(both, sum(found for _, found in sure)), Share(both, sum(bool(given) for given, _ in sure))


def report(labeled: LabeledPairs, missing: Sequence[LabeledText]) -> str:
    """A table of precision and recall per classifier, half and class."""
    lines = [f"{len(labeled)} labeled texts; {len(missing)} more are absent or changed"]
    lines += [f"  absent or changed: {source}" for source in sorted({label.source for label in missing})]
    for half in HALVES:
        part = [(label, text) for label, text in labeled if label.half == half]
        for classifier in CLASSIFIERS:
            for quality in SCORED:
                precision, recall = class_accuracy(part, quality, classifier)
                lines.append(f"{half} {classifier:9} {quality.value:8}  precision {precision}  recall {recall}")
        precision, recall = loop_accuracy(part)
        lines.append(f"{half} {'loops':18}  precision {precision}  recall {recall}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the report to standard output."""
    parser = argparse.ArgumentParser(prog="python -m steering_core.quality.accuracy", description=__doc__)
    parser.add_argument("--texts", type=Path, help="JSON object {source: [texts]}: the tiny checkpoints' answers")
    options = parser.parse_args(arguments)
    tiny = json.loads(options.texts.read_text(encoding="utf-8")) if options.texts else {}
    published, small = pair(read_labels("published"), published_texts), pair(read_labels("tiny"), tiny.get)
    found, missing = published[0] + small[0], published[1] + small[1]
    sys.stdout.write(report(found, missing) + "\n")


if __name__ == "__main__":
    main()
