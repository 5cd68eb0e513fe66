"""The numbers of a record under names a reader knows; long lists and texts are left to the views made for them."""

from reports.page.exports import Scalar, show
from steering_core.records.record import Record, Value

LOCALISED = "localized"
_SHOWN_ELSEWHERE = {"samples", "classes", "tokens_sha256", "top", LOCALISED, "declared_deviation", "study_v1"}
_NAMES = {
    "max_abs": "largest difference",
    "bit_equal": "bit for bit equal",
    "worst_prompt": "worst prompt",
    "one_minus_cosine": "1 − cosine",
    "floor_one_minus_cosine": "noise floor, 1 − cosine",
    "mcnemar_p": "McNemar p",
    "gap_pp": "gap, points",
    "relative_spread": "relative spread of norms",
    "worst_pair": "worst pair of repeats",
    "low": "interval low",
    "high": "interval high",
    "unique": "distinct prompts",
}


def scalars_of(record: Record) -> dict[str, Scalar]:
    """{name: number or short text} in the order in which the check wrote them."""
    return {
        _NAMES.get(name, name.replace("_", " ")): _short(value)
        for name, value in record.measured.items()
        if name not in _SHOWN_ELSEWHERE
    }


def number_in(record: Record, name: str) -> float | None:
    """measured[name] as a float; None when it is absent or not a number."""
    value = record.measured.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def count_in(record: Record, name: str) -> int:
    """measured[name] as a count; 0 when it is absent."""
    return int(number_in(record, name) or 0)


def rows_in(record: Record, name: str) -> list[Value]:
    """measured[name] as a list; empty when it is absent or something else."""
    value = record.measured.get(name)
    return value if isinstance(value, list) else []


def _short(value: Value) -> Scalar:
    """Lists and tables as one short line."""
    if isinstance(value, dict):
        return "; ".join(f"{name} {_short(item)}" for name, item in value.items()) or None
    if isinstance(value, list):
        return ", ".join(show(_short(item)) for item in value) or "none"
    return value
