"""What a comparison needs and a published file does not hold, each with the reason that the file stores."""

from collections.abc import Collection, Iterator
from itertools import combinations

from reports.study.files import ERROR_TEXT, FullArtifact
from reports.study.summary import SummaryArtifact
from reports.untrusted import plain
from steering_core.records.record import Cell, Outcome, Record

TOOLS = ("hooks", "nnsight", "pyvene")
REPEATS = 5
"""The repeats of the protocol."""


def absent_cells(model: str, artifact: FullArtifact | SummaryArtifact, stored: Collection[Cell]) -> Iterator[Record]:
    """An ABSENT record for every cell that the comparison needs and the file does not hold."""
    for cell in _list_needed(model, isinstance(artifact, FullArtifact)):
        if cell not in stored:
            yield Record(cell=cell, outcome=Outcome.ABSENT, sentence=_explain(cell, artifact))


def _list_needed(model: str, directions: bool) -> Iterator[Cell]:
    """Directions are compared in every repeat; without them, raw activations once."""
    for tool, other in combinations(TOOLS, 2):
        yield Cell(clause="P6", model=model, tool=tool, other=other)
        for repeat in range(REPEATS if directions else 1):
            yield Cell(clause="D2", model=model, tool=tool, other=other, repeat=repeat)
    for tool in TOOLS:
        yield Cell(clause="D1", model=model, tool=tool)
        for repeat in range(REPEATS):
            yield Cell(clause="B1", model=model, tool=tool, arm="reference", repeat=repeat)


def _explain(cell: Cell, artifact: FullArtifact | SummaryArtifact) -> str:
    reasons = (artifact.problem_of(tool, cell.repeat) for tool in (cell.tool, cell.other) if tool)
    if reason := next(filter(None, reasons), ""):
        return reason
    if cell.clause == "D1":
        return "one repeat alone has no within-tool cosine"
    if cell.clause == "B1":
        return "the file does not say how many prompts there were"
    reason = next((parity.reason for parity in artifact.parities if parity.reason), "")
    return plain(reason, ERROR_TEXT) or "the file stores no comparison of the tools"
