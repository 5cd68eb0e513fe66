"""Runs without behavior: how much of the preflight was selected, which checks do not hold, and how many pass."""

from collections.abc import Sequence

from reports.verdicts.run_index import GATES, RunIndex, is_preflight
from steering_core.records.record import Cell


def is_whole_preflight(index: RunIndex) -> bool:
    """Whether every preflight check of the run's models was selected; a plan that requires none does not say."""
    whole = [cell for cell in index.plan.required if is_preflight(cell)]
    return bool(whole) and set(whole) <= set(index.cells)


def list_failed(index: RunIndex) -> tuple[Cell, ...]:
    """The selected checks that were measured and do not hold; with random weights, the premise means nothing."""
    return tuple(cell for cell in index.failed if cell.clause != GATES or not index.plan.random_weights)


def describe_checks(index: RunIndex, cells: Sequence[Cell], name: str) -> str:
    """`17 of 18 preflight checks pass on tiny_qwen2 (hooks, pyvene); 1 is a known deviation; 4 are not offered`."""
    left_out = len(cells) - len(cells := [cell for cell in cells if index.is_offered(cell)])
    models = dict.fromkeys(cell.model for cell in cells)
    tools = dict.fromkeys(name for cell in cells for name in (cell.tool, cell.other) if name)
    deviations = sum(index.records[cell].declared for cell in cells)
    count = f"{len(cells) - deviations} of {len(cells)}" if deviations else f"all {len(cells)}"
    if len(cells) == 1 and not deviations:
        count, name = "the one", name.removesuffix("s")
    known = f"; {_are(deviations)} known deviation{'s' * (deviations > 1)}" if deviations else ""
    known += f"; {left_out} {'is' if left_out == 1 else 'are'} not offered" if left_out else ""
    named = f" ({', '.join(tools)})" if tools else ""
    return f"{count} {name} pass{'es' * (count == 'the one')} on {', '.join(models)}{named}{known}"


def _are(count: int) -> str:
    return "1 is a" if count == 1 else f"{count} are"
