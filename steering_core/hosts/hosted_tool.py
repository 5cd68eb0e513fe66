"""A tool as the judging process sees it: what it answers, wherever it lives."""

from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any

import torch
from torch import Tensor

from steering_core import errors
from steering_core.errors import RaisedByTool
from steering_core.models.model import LoadedModel
from steering_core.models.registry import ModelSpec
from steering_core.models.sites import Site
from steering_core.models.tokens import TokenBatch
from steering_core.models.transfers import onto
from steering_core.tools.actions import Action
from steering_core.tools.deviations import Deviation
from steering_core.tools.edits import Edit
from steering_core.tools.offers import Offers
from steering_core.tools.tool import ToolVersion

RAISED = ("EmptyMeasurement", "ToolAbsent", "ToolUnsupported", "UsageProblem", "LoadProblem", "SuiteError")
"""Errors of the suite that keep their class on the way from a tool's process."""


class HostedTool:
    """One object of a tool's class, with the methods of the Tool protocol; the model that it is given only says how
    generation is fed: the tool works on its own copy of the modules. ask: as of `ToolHost`. elsewhere: it lives in another
    interpreter."""

    def __init__(
        self,
        label: str,
        ask: Callable[[Mapping[str, Any]], Any],
        numbers: "count[int]",
        first: int | None = None,
        description: dict[str, Any] | None = None,
    ) -> None:
        self.name, self.ask, self.numbers = label, ask, numbers
        self.number, self.elsewhere = next(numbers), False
        self.first = self.number if first is None else first
        self.description: dict[str, Any] = description or ask({"do": "describe"})
        self.offers = Offers(**self.description["offers"])
        methods = self.description["methods"]
        if "direction" in methods:
            self.direction = self._direction
        for name in {"read", "generate"} - set(methods):
            setattr(self, name, None)  # what a tool lacks, it does not offer

    def version(self) -> ToolVersion:
        """The library behind the tool."""
        version: ToolVersion = self.description["version"]
        return version

    @property
    def class_path(self) -> str:
        """`module:Class`."""
        return str(self.description["class"])

    @property
    def deviations(self) -> tuple[Deviation, ...]:
        """The known deviations that lie beside the tool's file."""
        return tuple(Deviation(**row) for row in self.description["deviations"])

    def another(self) -> "HostedTool":
        """A new object of the same class, in the same process."""
        second = HostedTool(self.name, self.ask, self.numbers, self.first, self.description)
        second.elsewhere = self.elsewhere
        return second

    def supports(self, spec: ModelSpec, site: Site, action: Action) -> str | None:
        """None, or why the tool cannot read this site of the model, or edit it so ("add", "ablate", ...)."""
        reason: str | None = self.ask({"do": "supports", "site": site, "action": action})
        return reason

    def read(self, model: LoadedModel, batch: TokenBatch, sites: Sequence[Site]) -> dict[Site, Tensor]:
        """One forward -> {site: [batch, seq, width]}, on the model's device."""
        activations: dict[Site, Tensor] = self.perform("read", model, batch=batch, sites=list(sites))
        return activations

    def generate(self, model: LoadedModel, batch: TokenBatch, edits: Sequence[Edit], max_new_tokens: int) -> Tensor:
        """New token ids only, int64 [batch, <= max_new_tokens]."""
        arguments: dict[str, Any] = {"batch": batch, "edits": list(edits), "max_new_tokens": max_new_tokens}
        ids: Tensor = self.perform("generate", model, **arguments)
        return ids

    def perform(self, operation: str, model: LoadedModel, **arguments: Any) -> Any:
        """One of `hosts.operations`, where the tool lives; tensors come back on the model's device."""
        feeding = {"use_cache": model.use_cache, "prefill_chunk": model.prefill_chunk}
        request = {"do": "perform", "operation": operation, "number": self.number, "first": self.first}
        return to_device(self.ask({**request, "feeding": feeding, "arguments": arguments}), model.device)

    def _direction(self, model: LoadedModel, harmful: TokenBatch, harmless: TokenBatch, site: Site) -> Tensor:
        """The tool's own method: [hidden]."""
        extracted = self.perform("direction", model, harmful=harmful, harmless=harmless, site=site)
        return torch.as_tensor(extracted)


def is_elsewhere(tool: Any) -> bool:
    """Whether a tool lives in another interpreter, with libraries of its own."""
    return isinstance(tool, HostedTool) and tool.elsewhere


def to_device(value: Any, device: torch.device) -> Any:
    """A tensor or batch, or those in a dict or list, on another device; everything else as it is."""
    if isinstance(value, dict):
        return {key: to_device(item, device) for key, item in value.items()}
    if isinstance(value, list):
        return [to_device(item, device) for item in value]
    if isinstance(value, Tensor):
        return onto(value, device)
    return value.to(device) if isinstance(value, TokenBatch) else value


def value_of(answer: Mapping[str, Any]) -> Any:
    """The value of an answer; what went wrong on the other side is raised here."""
    if "problem" in answer:
        kind = answer["problem"] if answer["problem"] in RAISED else "SuiteError"
        raise getattr(errors, kind)(answer["code"], answer["sentence"], answer["hint"])
    if "raised" in answer:
        raise RaisedByTool(answer["raised"], answer["message"], answer["trace"]) from answer.get("error")
    return answer["value"]
