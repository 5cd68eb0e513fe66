"""What was compared, one row per model: which weights, where they are read and steered, how strongly, on how much."""

from collections.abc import Iterable, Sequence

from reports.page.exports import Table, show
from reports.page.groups import group_by
from reports.page.measured import count_in
from steering_core.records.provenance import RANDOM_ORIGIN
from steering_core.records.record import Record, Run, Value

COLUMNS = ("model", "checkpoint", "size", "weights", "site", "strength", "dtype, device", "prompts")
UNKNOWN = "not recorded"
DIGEST = 12
"""Characters of a digest."""
RANDOM = "random"


def compared_table(run: Run) -> Table:
    """One row per planned model, as its records say; several values of a field are listed."""
    groups = group_by(run.records, lambda record: record.cell.model)
    rows = tuple((model, *_row(groups.get(model, []))) for model in run.plan.models)
    return Table("What was compared", COLUMNS, rows)


def _row(records: Sequence[Record]) -> tuple[str, ...]:
    return (
        _said(records, "model_id"),
        _size(records),
        _weights(records),
        _said(records, "site"),
        _said(records, "coefficient"),
        ", ".join(dict.fromkeys((_said(records, "dtype").removeprefix("torch."), _said(records, "device")))),
        _prompts(records),
    )


def _values(records: Iterable[Record], key: str) -> list[Value]:
    """The different recorded values of a field."""
    values: list[Value] = []
    for record in records:
        if (value := record.provenance.get(key)) is not None and value not in values:
            values.append(value)
    return values


def _said(records: Iterable[Record], key: str) -> str:
    return " or ".join(map(show, _values(records, key))) or UNKNOWN


def _size(records: Iterable[Record]) -> str:
    counts = [count for count in _values(records, "parameters") if isinstance(count, int)]
    return " or ".join(map(short_count, counts)) or UNKNOWN


def _weights(records: Sequence[Record]) -> str:
    """`known` weights are those of the registered revision; a digest names what was loaded."""
    digests = [str(value).removeprefix("sampled:")[:DIGEST] for value in _values(records, "weights")]
    verified = _values(records, "weights_verified")
    if RANDOM in verified or RANDOM_ORIGIN in _values(records, "origin"):
        return "random"
    known = UNKNOWN if not verified else "unverified" if False in verified else "known"
    return f"{known} (sha256 {', '.join(digests)})" if digests else known


def _prompts(records: Iterable[Record]) -> str:
    """How many prompts the answers and the direction come from."""
    records = list(records)
    answered = sorted({count_in(record, "total") for record in records if record.cell.clause == "B1"} - {0})
    shapes = [shape[0] for shape in _values(records, "batch_shape") if isinstance(shape, list) and shape]
    parts = [f"{' or '.join(map(str, answered))} evaluated"] if answered else []
    parts += [f"{' or '.join(map(str, dict.fromkeys(shapes)))} for the direction"] if shapes else []
    return ", ".join(parts) or UNKNOWN


def short_count(count: int) -> str:
    """A number of weights: 7.62 B, 494 M, 602 k, with a space that no line is broken at."""
    for unit, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if count >= unit:
            return f"{count / unit:.3g}\N{NO-BREAK SPACE}{letter}"
    return str(count)
