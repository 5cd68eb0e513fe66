"""The cells that a published phase 1 file can fill, recomputed wherever it stores enough."""

from collections.abc import Iterator, Mapping
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from reports.study.absent import absent_cells
from reports.study.files import FullArtifact, MethodResult
from reports.study.preflight import preflight_cells
from reports.study.rates import Counts
from reports.study.summary import SummaryArtifact
from reports.study.written import written
from steering_core.quality.classes import Quality
from steering_core.records.record import Cell, Record, Value
from steering_core.records.thresholds import AGREE_PP, STABLE, band_of_cosine, is_stable
from steering_core.statistics import wilson_interval

Repeats = Mapping[int, MethodResult]
"""The finished repeats of one tool."""


def list_cells(model: str, artifact: FullArtifact | SummaryArtifact) -> Iterator[Record]:
    """A record without provenance for every cell that the comparison needs, ABSENT where the file does not hold it."""
    cells = _full_cells(model, artifact) if isinstance(artifact, FullArtifact) else _summary_cells(model, artifact)
    stored = [*preflight_cells(model, artifact.parities), *cells]
    yield from stored
    yield from absent_cells(model, artifact, {record.cell for record in stored})


def _full_cells(model: str, artifact: FullArtifact) -> Iterator[Record]:
    """Cells of a file with directions: every cosine recomputed in float64, every rate from its own repeat."""
    results = artifact.results
    for tool, repeats in results.items():
        if len(repeats) > 1:
            yield _within(model, tool, repeats)
    for (tool, left), (other, right) in combinations(results.items(), 2):
        for repeat in sorted(left.keys() & right.keys()):
            gap = _one_minus_cosine(left[repeat].unit, right[repeat].unit)
            yield _across(model, tool, other, repeat, gap, "directions")
    if results:
        yield _norms(model, results)
    counts = {tool: {n: result.eval.counts() for n, result in repeats.items()} for tool, repeats in results.items()}
    yield from _behavior(model, counts)


def _summary_cells(model: str, artifact: SummaryArtifact) -> Iterator[Record]:
    """Cells of a file without directions: its published cosines and rates, unchecked."""
    rows = artifact.rows
    for tool, row in rows.items():
        if within := row.within_method_cosine:
            yield _stability(model, tool, row.n_ok, max(0.0, 1 - within.min))
    for parity in artifact.parities:
        for pair, cosine in sorted(parity.pairwise_raw_cosine_mean.items()):
            tool, other = pair.split("_vs_")
            if tool in rows and other in rows:
                yield _across(model, tool, other, 0, max(0.0, 1 - cosine), "raw activations")
    yield from _behavior(model, artifact.counts())


def _one_minus_cosine(left: NDArray[np.float64], right: NDArray[np.float64]) -> float:
    """Half the squared distance of two unit vectors: exact near 0, never negative."""
    return float(np.square(left - right).sum() / 2)


def _within(model: str, tool: str, repeats: Repeats) -> Record:
    pairs = combinations(sorted(repeats), 2)
    gaps = {f"{a}-{b}": _one_minus_cosine(repeats[a].unit, repeats[b].unit) for a, b in pairs}
    pair, worst = max(gaps.items(), key=lambda item: item[1], default=("none", 0.0))
    norms = [result.direction_norm_prenorm for result in repeats.values()]
    mean, std = float(np.mean(norms)), float(np.std(norms))
    return _stability(model, tool, len(repeats), worst, worst_pair=pair, norm_mean=mean, norm_std=std)


def _stability(model: str, tool: str, repeats: int, worst: float, **more: Value) -> Record:
    sentence = f"worst pair of {repeats} published repeats has 1 - cos {worst:.1e}"
    measured: dict[str, Value] = {"one_minus_cosine": worst, "repeats": repeats, "threshold": STABLE, **more}
    return written(Cell(clause="D1", model=model, tool=tool), is_stable(worst), sentence, **measured)


def _across(model: str, tool: str, other: str, repeat: int, gap: float, what: str) -> Record:
    band = band_of_cosine(gap)
    cell = Cell(clause="D2", model=model, tool=tool, other=other, repeat=repeat)
    sentence = f"published {what} have 1 - cos {gap:.1e}: {band}"
    return written(cell, band == "agrees", sentence, cosine=1 - gap, one_minus_cosine=gap, band=band)


def _norms(model: str, results: Mapping[str, Repeats]) -> Record:
    norms = {tool: [result.direction_norm_prenorm for result in repeats.values()] for tool, repeats in results.items()}
    pooled = [norm for row in norms.values() for norm in row]
    spread = (max(pooled) - min(pooled)) / float(np.mean(pooled))
    sentence = f"relative spread of the published norms {spread:.1e}"
    return written(Cell(clause="D3", model=model), True, sentence, norms=dict(norms), relative_spread=spread)


def _behavior(model: str, counts: Mapping[str, Mapping[int, Counts]]) -> Iterator[Record]:
    """B1 for every tool and repeat, B2 for every pair of tools; all in the reference arm, as the study steered."""
    tools = sorted(counts.items())
    for tool, repeats in tools:
        for repeat, row in sorted(repeats.items()):
            yield _rate(model, tool, repeat, row)
    for (tool, left), (other, right) in combinations(tools, 2):
        if gaps := [100 * abs(left[repeat].share - right[repeat].share) for repeat in left.keys() & right.keys()]:
            cell = Cell(clause="B2", model=model, tool=tool, other=other, arm="reference")
            sentence = f"published coherent rates differ by {max(gaps):.1f} pp"
            yield written(cell, max(gaps) <= AGREE_PP, sentence, gap_pp=max(gaps))


def _rate(model: str, tool: str, repeat: int, counts: Counts) -> Record:
    """`classes` is sorted, because which prompt got which class is not stored; every `tokens_sha256` is different,
    because whether two tools gave equal answers is not stored either."""
    total, classes = sum(counts), counts._asdict()
    low, high = wilson_interval(counts.coherent, total)
    measured: dict[str, Value] = {**classes, "unscored": 0, "total": total, "unique": total}
    measured |= {"classes": "".join(Quality(name).letter * count for name, count in classes.items())}
    measured |= {"classifier": "study-v1", "study_v1": classes, "disagreements": 0, "low": low, "high": high}
    measured |= {"tokens_sha256": f"not stored: {model} {tool} {repeat}", "samples": []}
    sentence = f"published: {counts.coherent} of {total} coherent, {counts.garbled} garbled, {counts.normal} normal"
    return written(
        Cell(clause="B1", model=model, tool=tool, arm="reference", repeat=repeat), True, sentence, **measured
    )
