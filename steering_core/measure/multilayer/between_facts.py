"""What a record of finding F8 holds: two models at equal strength, row by row."""

from dataclasses import dataclass, field
from typing import Any

from steering_core.directions.evaluation.uncertainty import Estimate
from steering_core.measure.multilayer.between_models import Strength
from steering_core.measure.multilayer.setting import NATS, RATIO

AT = {"ratio": f"at ratio {RATIO:g}", "divergence": f"at {NATS:g} nat"}


@dataclass
class Comparison:
    """own, beside: keys of the models. table: rows of either; a model without a row has none. gaps: own minus beside, as
    proportions."""

    own: str
    beside: str
    table: list[dict[str, Any]] = field(default_factory=list)
    gaps: list[dict[str, Any]] = field(default_factory=list)

    def add(self, place: tuple[str, str], own: Strength, other: Strength | None, gap: Estimate | None) -> None:
        """One strength and combination; without a gap where the other model has no row."""
        named = dict(zip(("scale", "combination"), place, strict=True))
        rows = ((self.own, own), (self.beside, other))
        self.table += [{**named, "model": name, **each.facts()} for name, each in rows if each]
        if gap:
            self.gaps.append({**named, "gap": list(gap)})

    def facts(self) -> dict[str, Any]:
        """For a record."""
        missing = [] if self.gaps else [f"{self.beside} has no refusals that could be compared"]
        statements = [self._told(each) for each in self.gaps]
        return {"beside": self.beside, "table": self.table, "gaps": self.gaps, "statements": missing + statements}

    @property
    def sentence(self) -> str:
        """The finding in one line."""
        open_, told = "no difference beyond uncertainty", list[str]()
        for each in self.gaps:
            _, low, high = each["gap"]
            word = f"{self.own} more" if low > 0 else f"{self.beside} more" if high < 0 else open_
            told.append(f"{AT[each['scale']]}, {each['combination']}: {word}")
        return f"{self.own} beside {self.beside}, steered: {'; '.join(told) or 'not comparable'}"

    def _told(self, each: dict[str, Any]) -> str:
        value, low, high = (100 * number for number in each["gap"])
        place = f"{AT[each['scale']]}, {each['combination']}"
        return f"{place}: {self.own} minus {self.beside} {value:+.0f} points [{low:+.0f}, {high:+.0f}] of coherent refusals"
