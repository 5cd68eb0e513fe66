"""The cells that a published phase 1 file can fill, recomputed from what it stores wherever it stores enough."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from reports.study.files import FullArtifact, MethodResult, SiteParity, SummaryArtifact
from reports.study.rates import Stored, rate_cells, repeated_counts
from steering_core.errors import ArtifactProblem
from steering_core.records.record import Cell, Value
from steering_core.records.thresholds import ATOL, STABLE, band_of_cosine, is_stable

FLOAT32 = 1e-6
Unit = NDArray[np.float64]
Rows = dict[str, dict[int, MethodResult]]
"""Per tool and repeat, its finished cycle."""


def full_cells(model: str, artifact: FullArtifact) -> Iterator[Stored]:
    """Cells of a file with directions: every cosine recomputed in float64, every rate from its own repeat.

    A tool that failed leaves no cell for that repeat, so that the rules find it missing.
    """
    rows = _rows(artifact)
    yield from _preflight(model, [run.tensor_site_parity for run in artifact.runs])
    units = {
        tool: {repeat: _unit(experiment) for repeat, experiment in experiments.items()}
        for tool, experiments in rows.items()
    }
    norms = {
        tool: [experiment.direction_norm_prenorm for experiment in experiments.values()]
        for tool, experiments in rows.items()
    }
    for tool, directions in units.items():
        yield _within(model, tool, directions, norms[tool])
    for tool, other in combinations(sorted(units), 2):
        for repeat in sorted(units[tool].keys() & units[other].keys()):
            yield _across(model, tool, other, repeat, _one_minus_cosine(units[tool][repeat], units[other][repeat]))
    yield _norms(model, norms)
    counts = {
        tool: {repeat: experiment.eval.counts for repeat, experiment in experiments.items()}
        for tool, experiments in rows.items()
    }
    yield from rate_cells(model, counts)


def summary_cells(model: str, artifact: SummaryArtifact) -> Iterator[Stored]:
    """Cells of a file without directions: its published cosines and rates, taken at their word."""
    yield from _preflight(model, [artifact.tensor_site_parity])
    for tool, found in sorted(artifact.summary.items()):
        worst = _gap_of(found.within_method_cosine.min)
        measured: dict[str, Value] = {"one_minus_cosine": worst, "repeats": found.n_ok, "threshold": STABLE}
        yield _within_cell(model, tool, worst, measured)
    for pair, cosine in sorted(artifact.tensor_site_parity.pairwise_raw_cosine_mean.items()):
        tool, other = pair.split("_vs_")
        yield _across(model, tool, other, 0, _gap_of(cosine), what="raw activations")
    prompts = artifact.eval_prompt_count
    yield from rate_cells(model, {tool: repeated_counts(found, prompts) for tool, found in artifact.summary.items()})


def _rows(artifact: FullArtifact) -> Rows:
    """Finished cycles per tool and repeat; no cycle at all, or directions of two sizes, are refused."""
    experiments = {
        tool: {
            run.repeat: experiment
            for run in artifact.runs
            if isinstance(experiment := run.methods.get(tool), MethodResult)
        }
        for tool in artifact.methods
    }
    sizes = {len(experiment.direction) for rows in experiments.values() for experiment in rows.values()}
    if len(sizes) != 1:
        raise ArtifactProblem(
            "artifact-tensor-shape", f"{artifact.model_key}: directions of sizes {sorted(sizes)}", "expected one size"
        )
    return {tool: rows for tool, rows in sorted(experiments.items()) if rows}


def _unit(experiment: MethodResult) -> Unit:
    wide = np.asarray(experiment.direction, dtype=np.float64)
    return np.asarray(wide / np.linalg.norm(wide))


def _one_minus_cosine(left: Unit, right: Unit) -> float:
    """Half the squared distance of two unit vectors: exact near 0, never negative."""
    return float(np.square(left - right).sum() / 2)


def _gap_of(cosine: float) -> float:
    """1 - cos of a published cosine; float32 rounding carried some of them just above 1."""
    if abs(cosine) > 1 + FLOAT32:
        raise ArtifactProblem("artifact-cosine", f"a published cosine is {cosine}", "cosines lie between -1 and 1")
    return max(0.0, 1 - cosine)


def _preflight(model: str, parities: Sequence[SiteParity]) -> Iterator[Stored]:
    """All that was stored of a preflight: shapes, and agreement of raw activations on the last harmful prompt."""
    shapes = {tuple(shape) for parity in parities for shape in parity.shape.values()}
    for tool, shape in sorted(parities[0].shape.items()):
        cell = Cell(clause="P2", model=model, tool=tool)
        yield Stored(cell, len(shapes) == 1, f"published shape {shape} of stacked last tokens", {"shape": list(shape)})
    for pair in sorted(parities[0].pairwise_last_sample_l2):
        tool, other = pair.split("_vs_")
        distance = max(
            parity.pairwise_last_sample_l2[pair] for parity in parities if pair in parity.pairwise_last_sample_l2
        )
        measured: dict[str, Value] = {"max_abs": distance, "tolerance": ATOL, "bit_equal": distance == 0}
        cell = Cell(clause="P6", model=model, tool=tool, other=other)
        sentence = f"published L2 distance on the last harmful prompt is {distance}"
        yield Stored(cell, distance <= ATOL, sentence, measured)


def _within(model: str, tool: str, directions: Mapping[int, Unit], norms: list[float]) -> Stored:
    pairs = {
        f"{a}-{b}": _one_minus_cosine(directions[a], directions[b]) for a, b in combinations(sorted(directions), 2)
    }
    pair, worst = max(pairs.items(), key=lambda item: item[1], default=("none", 0.0))
    measured: dict[str, Value] = {
        "one_minus_cosine": worst, "worst_pair": pair, "repeats": len(directions), "threshold": STABLE,
        "norm_mean": float(np.mean(norms)), "norm_std": float(np.std(norms)),
    }  # fmt: skip
    return _within_cell(model, tool, worst, measured)


def _within_cell(model: str, tool: str, worst: float, measured: dict[str, Value]) -> Stored:
    sentence = f"worst pair of {measured['repeats']} published repeats has 1 - cos {worst:.1e}"
    return Stored(Cell(clause="D1", model=model, tool=tool), is_stable(worst), sentence, measured)


def _across(model: str, tool: str, other: str, repeat: int, gap: float, what: str = "directions") -> Stored:
    band = band_of_cosine(gap)
    cell = Cell(clause="D2", model=model, tool=tool, other=other, repeat=repeat)
    measured: dict[str, Value] = {"cosine": 1 - gap, "one_minus_cosine": gap, "band": band}
    return Stored(cell, band == "agrees", f"published {what} have 1 - cos {gap:.1e}: {band}", measured)


def _norms(model: str, norms: Mapping[str, list[float]]) -> Stored:
    every = [norm for row in norms.values() for norm in row]
    spread = (max(every) - min(every)) / float(np.mean(every))
    measured: dict[str, Value] = {"norms": dict(norms), "relative_spread": spread}
    return Stored(
        Cell(clause="D3", model=model), True, f"relative spread of the published norms {spread:.1e}", measured
    )
