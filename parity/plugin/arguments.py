"""The types of the arguments that a check may ask for; parity/README.md lists the arguments themselves."""

from typing import TYPE_CHECKING, Any

from steering_core.records.draft import Draft
from steering_core.records.record import Arm

if TYPE_CHECKING:
    from steering_core.hosts.hosted_tool import HostedTool as Tool
    from steering_core.hosts.stage import Feeding
    from steering_core.measure.experiment import Experiment
    from steering_core.measure.interference import Interference
    from steering_core.measure.program_runs import ProgramRuns
    from steering_core.measure.side_effects import SideEffects
    from steering_core.measure.steering import SteeringMeasurements
    from steering_core.models.tokens import Side
else:  # collecting the checks must not import torch
    Experiment = Feeding = Interference = ProgramRuns = Side = SideEffects = SteeringMeasurements = Tool = Any

Halves = tuple[str, ...]
"""What a tool offers at the sites of a run: "read", "generate" (steering), or both."""

__all__ = [
    "Arm",
    "Draft",
    "Experiment",
    "Feeding",
    "Halves",
    "Interference",
    "ProgramRuns",
    "Side",
    "SideEffects",
    "SteeringMeasurements",
    "Tool",
]
