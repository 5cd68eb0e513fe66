"""Published rates as cells: what steering did in each repeat (B1), and the gaps between tools (B2)."""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import combinations
from typing import NamedTuple

from reports.study.files import Aggregate, Spread, count
from steering_core.errors import ArtifactProblem
from steering_core.records.record import Cell, Value
from steering_core.records.thresholds import band_of_gap, percent
from steering_core.statistics import wilson_interval

Counts = tuple[int, int, int]
"""Prompts answered coherent, garbled, normal."""


class Stored(NamedTuple):
    """One cell, whether it holds, the sentence and the numbers."""

    cell: Cell
    holds: bool
    sentence: str
    measured: dict[str, Value]


def repeated_counts(found: Aggregate, prompts: int) -> dict[int, Counts]:
    """Counts of every repeat, known from a summary only if no repeat differs."""
    shares = (found.coherent_rate, found.garbled_rate, found.normal_rate)
    if any(share.min != share.max for share in shares):
        raise ArtifactProblem(
            "artifact-summary", "rates vary between repeats and only their mean is stored", "expected the full artifact"
        )
    coherent, garbled, normal = (_count(share, prompts) for share in shares)
    if coherent + garbled + normal != prompts:
        raise ArtifactProblem(
            "artifact-summary", "the mean rates do not add up to every prompt", "expected the published file"
        )
    return dict.fromkeys(range(found.n_ok), (coherent, garbled, normal))


def _count(share: Spread, prompts: int) -> int:
    try:
        return count(share.mean, prompts)
    except ValueError as error:
        raise ArtifactProblem("artifact-summary", str(error), "expected the published percentages") from None


def rate_cells(model: str, counts: Mapping[str, Mapping[int, Counts]]) -> Iterator[Stored]:
    """B1 for every tool and repeat, B2 for every pair of tools; all in the reference arm, as the study steered."""
    for tool, rows in sorted(counts.items()):
        for repeat, row in sorted(rows.items()):
            yield _rate(model, tool, repeat, row)
    for tool, other in combinations(sorted(counts), 2):
        shared = counts[tool].keys() & counts[other].keys()
        if gaps := [_points(counts[tool][repeat], counts[other][repeat]) for repeat in shared]:
            cell = Cell(clause="B2", model=model, tool=tool, other=other, arm="reference")
            widest = max(gaps)
            sentence = f"published coherent rates differ by {float(widest):.1f} pp"
            yield Stored(cell, band_of_gap(widest) == "agrees", sentence, {"gap_pp": float(widest)})


def _points(left: Counts, right: Counts) -> Fraction:
    """The coherent-rate gap in percentage points."""
    return abs(percent(left[0], sum(left)) - percent(right[0], sum(right)))


def _rate(model: str, tool: str, repeat: int, counts: Counts) -> Stored:
    """classes lists the counts, sorted: which prompt got which class is not stored. No two digests are alike, because
    whether two tools' answers were equal is not stored either."""
    coherent, garbled, normal = counts
    total = sum(counts)
    low, high = wilson_interval(coherent, total)
    measured: dict[str, Value] = {
        "coherent": coherent, "garbled": garbled, "normal": normal, "unscored": 0, "total": total, "unique": total,
        "classes": "C" * coherent + "G" * garbled + "N" * normal, "classifier": "study-v1",
        "study_v1": {"coherent": coherent, "garbled": garbled, "normal": normal}, "disagreements": 0,
        "tokens_sha256": f"not stored: {model} {tool} {repeat}", "low": low, "high": high, "samples": [],
    }  # fmt: skip
    cell = Cell(clause="B1", model=model, tool=tool, arm="reference", repeat=repeat)
    return Stored(
        cell, True, f"published: {coherent} of {total} coherent, {garbled} garbled, {normal} normal", measured
    )
