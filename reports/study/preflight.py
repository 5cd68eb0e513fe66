"""What a published phase 1 file holds of a preflight: shapes, dtypes, and agreement of raw harmful activations."""

from collections.abc import Iterator, Sequence

from reports.study.files import FLOAT32, SiteParity
from reports.study.written import written
from steering_core.records.record import Cell, Record
from steering_core.records.thresholds import ATOL

FAILED_FLAG = "; the file's own parity_pass is false"


def preflight_cells(model: str, parities: Sequence[SiteParity]) -> Iterator[Record]:
    """P2 for every tool, P6 for every pair, and P3 where the tools' dtypes differ."""
    yield from _shapes(model, parities)
    yield from _dtypes(model, parities)
    for pair in sorted({pair for parity in parities for pair in parity.pairwise_last_sample_l2}):
        yield _agreement(model, pair, [parity for parity in parities if pair in parity.pairwise_last_sample_l2])


def _shapes(model: str, parities: Sequence[SiteParity]) -> Iterator[Record]:
    shapes = {tool: shape for parity in parities for tool, shape in parity.shape.items()}
    same = len({tuple(shape) for parity in parities for shape in parity.shape.values()}) == 1
    for tool, shape in sorted(shapes.items()):
        cell = Cell(clause="P2", model=model, tool=tool)
        yield written(cell, same, f"published shape {shape} of stacked last tokens", shape=list(shape))


def _dtypes(model: str, parities: Sequence[SiteParity]) -> Iterator[Record]:
    """Equal dtypes show nothing, because the study stored them after its own cast to float32; unequal ones do."""
    dtypes = {(tool, dtype) for parity in parities for tool, dtype in parity.dtype.items()}
    if len({dtype for _, dtype in dtypes}) > 1:
        listed = ", ".join(f"{tool} {dtype}" for tool, dtype in sorted(dtypes))
        for tool in sorted({tool for tool, _ in dtypes}):
            yield written(Cell(clause="P3", model=model, tool=tool), False, f"published dtypes differ: {listed}")


def _agreement(model: str, pair: str, parities: Sequence[SiteParity]) -> Record:
    """Holds if the distance, the mean cosine and the file's own flag say so, in every repeat."""
    distance = max(parity.pairwise_last_sample_l2[pair] for parity in parities)
    cosine = min(parity.pairwise_raw_cosine_mean.get(pair, 1.0) for parity in parities)
    flagged = all(parity.parity_pass for parity in parities)
    tool, other = pair.split("_vs_")
    cell = Cell(clause="P6", model=model, tool=tool, other=other)
    sentence = f"published L2 distance on the last harmful prompt is {distance}, mean cosine over the prompts {cosine}"
    agrees = distance <= ATOL and 1 - cosine <= FLOAT32 and flagged
    numbers = {"max_abs": distance, "cosine": min(1.0, cosine), "tolerance": ATOL, "bit_equal": distance == 0}
    return written(cell, agrees, sentence if flagged else sentence + FAILED_FLAG, **numbers)
