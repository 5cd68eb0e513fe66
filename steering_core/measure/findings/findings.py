"""Everything that findings measure on one loaded model; each part is made on first use and shared by the checks."""

from functools import cached_property

from steering_core.measure.dynamics.measured import Dynamics
from steering_core.measure.experiment import Experiment
from steering_core.measure.findings.effects import SteeringEffects
from steering_core.measure.findings.extraction import Extractions
from steering_core.measure.findings.tool_rows import ToolReadings
from steering_core.measure.findings.transfers import Transfers
from steering_core.measure.findings.tuning_stages import StageCurves
from steering_core.measure.multilayer.between_models import EqualStrength
from steering_core.measure.multilayer.layers import parse_layers
from steering_core.measure.multilayer.measured import LayerSteering


class Findings:
    """One attribute per kind of measurement, so that a fault can replace one. steer_layers: those of F4, as `6-10`; by
    default those that the preset steers."""

    def __init__(self, experiment: Experiment, steer_layers: str = "") -> None:
        self.experiment, self.steer_layers = experiment, steer_layers

    @cached_property
    def extractions(self) -> Extractions:
        """F1: rows of traits, and tables of methods."""
        return Extractions(self.experiment.model, self.experiment.batch_size)

    @cached_property
    def layer_steering(self) -> LayerSteering:
        """F4: steering at several layers; UsageProblem for layers that the model does not have."""
        text, blocks = self.steer_layers, self.experiment.model.spec.layers
        return LayerSteering(self.experiment, parse_layers(text, blocks) if text else ())

    @cached_property
    def equal_strength(self) -> EqualStrength:
        """F8: the same at strengths at which models are compared."""
        return EqualStrength(self.layer_steering)

    @cached_property
    def dynamics(self) -> Dynamics:
        """F6: projections of the tokens of prompts and answers."""
        return Dynamics(self.experiment)

    @cached_property
    def effects(self) -> SteeringEffects:
        """F1: what steering along each direction does to the next token."""
        return SteeringEffects(self.experiment.model, self.experiment.batch_size)

    @cached_property
    def readings(self) -> ToolReadings:
        """F2, F3: rows of traits at every site, through tools."""
        return ToolReadings(self.experiment)

    @cached_property
    def transfers(self) -> Transfers:
        """F5: a direction of one prompt set on another."""
        return Transfers(self.experiment, self.extractions)

    @cached_property
    def stage_curves(self) -> StageCurves:
        """F7: what coefficients and layers do in one tuning stage."""
        return StageCurves(self.experiment)
