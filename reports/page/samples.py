"""A few generations per class, steered beside unsteered. What a model wrote is hostile until proven otherwise."""

from collections.abc import Iterator
from dataclasses import dataclass

from reports.page.measured import rows_in
from steering_core.records.record import Run

PER_CLASS = 3
NAMES = {"C": "coherent", "G": "garbled", "N": "normal", "U": "unscored"}
CLASSES = ("coherent", "garbled", "normal", "unscored")


@dataclass(frozen=True)
class Sample:
    """One prompt with the answer without and with steering; `sources`: every (tool, arm) that gave this answer."""

    prompt: str
    unsteered: str
    steered: str
    sources: tuple[tuple[str, str], ...]

    @property
    def origin(self) -> str:
        """`hooks, pyvene (reference and native)`."""
        arms: dict[str, list[str]] = {}
        for tool, arm in self.sources:
            arms.setdefault(tool, []).append(arm)
        tools: dict[str, list[str]] = {}
        for tool, named in arms.items():
            tools.setdefault(" and ".join(named), []).append(tool)
        return "; ".join(f"{', '.join(names)} ({named})" for named, names in tools.items())


@dataclass(frozen=True)
class Examples:
    """Up to three samples of one class on one model."""

    model: str
    name: str
    samples: tuple[Sample, ...]


def list_examples(run: Run) -> list[Examples]:
    """Examples by model and class; answers that several tools gave alike are shown once."""
    found: list[Examples] = []
    for model in run.plan.models:
        for name in CLASSES:
            samples = _choose(run, model, name)
            if samples:
                found.append(Examples(model, name, tuple(samples)))
    return found


def _choose(run: Run, model: str, name: str) -> list[Sample]:
    """The first sample of every tool before the second of any, so that tools which differ are all seen."""
    sources: dict[tuple[str, str, str], dict[tuple[str, str], None]] = {}
    ranked = sorted(_samples(run, model, name), key=lambda found: found[0])
    for _, source, texts in ranked:
        sources.setdefault(texts, {})[source] = None
    return [Sample(*texts, sources=tuple(names)) for texts, names in list(sources.items())[:PER_CLASS]]


def _samples(run: Run, model: str, name: str) -> Iterator[tuple[int, tuple[str, str], tuple[str, str, str]]]:
    for record in run.records:
        cell = record.cell
        if cell.clause != "B1" or cell.model != model:
            continue
        mine = [row for row in rows_in(record, "samples") if isinstance(row, dict) and _class(row.get("class")) == name]
        for rank, row in enumerate(mine):
            texts = (str(row.get("prompt", "")), str(row.get("unsteered", "")), str(row.get("text", "")))
            yield rank, (cell.tool or "", cell.arm or ""), texts


def _class(value: object) -> str:
    return NAMES.get(str(value), str(value))
