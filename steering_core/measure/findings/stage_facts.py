"""What two tuning stages show beside each other, as a record of finding F7 holds it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from steering_core.directions.evaluation.stages import (
    Cliff,
    Resistance,
    compare_stages,
    find_cliff,
    preserved_layers,
)
from steering_core.measure.findings.tuning_stages import Stage, curve_of, layers_of


@dataclass(frozen=True, eq=False)
class StagePair:
    """earlier, later: keys. stages: what was measured of both, at the same coefficients and layers."""

    earlier: str
    later: str
    coefficients: Sequence[float]
    layers: Sequence[int]
    stages: tuple[Stage, Stage]

    @property
    def counts(self) -> tuple[Tensor, Tensor]:
        """Of both, as a `Stage` has them."""
        earlier, later = self.stages
        return earlier.counts, later.counts

    @property
    def resistance(self) -> Resistance:
        """The smallest coefficients that steer."""
        earlier, later = (curve_of(self.coefficients, each) for each in self.counts)
        return compare_stages(earlier, later)

    @property
    def cliffs(self) -> tuple[Cliff | None, Cliff | None]:
        """Where the answers of the earlier and of the later stage collapse."""
        earlier, later = (find_cliff(curve_of(self.coefficients, each)) for each in self.counts)
        return earlier, later

    @property
    def preserved(self) -> tuple[int, ...]:
        """Layers that may be the best one in both."""
        earlier, later = (layers_of(self.layers, each) for each in self.counts)
        return preserved_layers(earlier, later)

    @property
    def sentence(self) -> str:
        """The finding in one line."""
        taken = self.resistance
        sizes = " and ".join("no coefficient" if each is None else f"{each:g}" for each in (taken.earlier, taken.later))
        factor = f" (x{taken.factor:.2f})" if taken.factor is not None else ""
        noun = "layer" if len(self.preserved) == 1 else "layers"
        kept = f"{noun} {', '.join(map(str, self.preserved))} may be" if self.preserved else "no layer is"
        return (
            f"{self.earlier} -> {self.later}: steered from {sizes} on{factor}; answers collapse {_told(self.cliffs[0])} and "
            f"{_told(self.cliffs[1])}; {kept} the best in both"
        )

    def facts(self) -> dict[str, Any]:
        """Counts as [refusals, not garbled, all] per coefficient and layer, the cumulative perturbation ratio of each, and
        the counts along a random direction per coefficient."""
        (before, after), taken, kept = self.counts, self.resistance, list(self.preserved)
        number, cliffs = len(self.coefficients), [_ends(each) for each in self.cliffs]
        return {
            **{"earlier": self.earlier, "later": self.later},
            **{"coefficients": list(self.coefficients), "layers": list(self.layers)},
            **{"earlier_curve": before[:number].tolist(), "later_curve": after[:number].tolist()},
            **{"earlier_layers": before[number:].tolist(), "later_layers": after[number:].tolist()},
            **{"earlier_ratios": list(self.stages[0].ratios), "later_ratios": list(self.stages[1].ratios)},
            **{"earlier_random": self.stages[0].random.tolist(), "later_random": self.stages[1].random.tolist()},
            **{"earlier_coefficient": taken.earlier, "later_coefficient": taken.later},
            **{"earlier_cliff": cliffs[0], "later_cliff": cliffs[1], "preserved_layers": kept},
        }


def _ends(cliff: Cliff | None) -> list[float] | None:
    return [cliff.before, cliff.after, cliff.lost] if cliff else None


def _told(cliff: Cliff | None) -> str:
    return f"between {cliff.before:g} and {cliff.after:g}" if cliff else "nowhere on the curve"
