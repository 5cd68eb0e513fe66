"""A few generations per class, steered beside unsteered. What a model wrote is hostile until proven otherwise."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from reports.page.behavior import CLASSES
from reports.page.measured import rows_in
from steering_core.records.record import Run

PER_CLASS = 3


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
        for tool, names in arms.items():
            tools.setdefault(" and ".join(names), []).append(tool)
        return "; ".join(f"{', '.join(names)} ({arm})" for arm, names in tools.items())


@dataclass(frozen=True)
class Examples:
    """Up to three samples of one class on one model."""

    model: str
    name: str
    samples: tuple[Sample, ...]


def list_examples(run: Run) -> list[Examples]:
    """Examples by model and class; an answer that several tools gave is shown once.

    The first sample of every record comes before the second of any, so that every tool that differs is shown.
    """
    groups: dict[tuple[str, str], dict[tuple[str, str, str], list[tuple[str, str]]]] = {}
    for _, group, texts, source in sorted(_answers(run), key=lambda answer: answer[0]):
        sources = groups.setdefault(group, {}).setdefault(texts, [])
        if source not in sources:
            sources.append(source)
    return [
        Examples(model, name, tuple(Sample(*texts, tuple(sources)) for texts, sources in answers[:PER_CLASS]))
        for model in run.plan.models
        for name in CLASSES
        if (answers := list(groups.get((model, name), {}).items()))
    ]


def _answers(run: Run) -> Iterator[tuple[int, tuple[str, str], tuple[str, str, str], tuple[str, str]]]:
    """(rank within its record and class, (model, class), (prompt, unsteered, steered), (tool, arm)) of each answer."""
    for record in run.records:
        cell, ranks = record.cell, Counter[str]()
        for row in rows_in(record, "samples") if cell.clause == "B1" else []:
            if isinstance(row, dict):
                name = str(row.get("class"))
                texts = (str(row.get("prompt", "")), str(row.get("unsteered", "")), str(row.get("text", "")))
                yield ranks[name], (cell.model, name), texts, (cell.tool or "", cell.arm or "")
                ranks[name] += 1
