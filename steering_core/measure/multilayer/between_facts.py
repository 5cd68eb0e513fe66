"""What a record of finding F8 holds: two models at equal strength, row by row."""

from dataclasses import dataclass, field
from typing import Any

from steering_core.directions.evaluation.uncertainty import Estimate
from steering_core.measure.multilayer.between_models import Strength
from steering_core.measure.multilayer.setting import NATS, RATIO

UNKNOWN = "no such setting of it could be measured"
AT = {"ratio": f"at ratio {RATIO:g}", "divergence": f"at {NATS:g} nat"}


@dataclass
class Comparison:
    """own, beside: keys of the models. table: rows of either. missing: a model without a row, with the reason. gaps: own
    minus beside, as proportions."""

    own: str
    beside: str
    table: list[dict[str, Any]] = field(default_factory=list)
    missing: list[dict[str, Any]] = field(default_factory=list)
    gaps: list[dict[str, Any]] = field(default_factory=list)

    def add(
        self,
        place: tuple[str, str],
        own: Strength | None,
        other: Strength | None,
        gap: Estimate | None,
        reason: str = UNKNOWN,
    ) -> None:
        """One strength and combination; without a gap where a model has no row. reason: why the own model has none."""
        named = dict(zip(("scale", "combination"), place, strict=True))
        for name, each, why in ((self.own, own, reason), (self.beside, other, UNKNOWN)):
            if each:
                self.table.append({**named, "model": name, **each.facts()})
            else:
                self.missing.append({**named, "model": name, "reason": why})
        if gap:
            self.gaps.append({**named, "gap": list(gap)})

    def facts(self) -> dict[str, Any]:
        """For a record."""
        statements = [self._told(each) for each in self.gaps] or [self._nothing]
        kept = {"table": self.table, "missing": self.missing, "gaps": self.gaps}
        return {"beside": self.beside, **kept, "statements": statements}

    def of(self, model: str) -> list[dict[str, Any]]:
        """The rows of a model."""
        return [each for each in self.table if each["model"] == model]

    @property
    def sentence(self) -> str:
        """The finding in one line: per strength, what is true of which combinations."""
        told: dict[str, dict[str, list[str]]] = {}
        for each in self.gaps:
            told.setdefault(AT[each["scale"]], {}).setdefault(self._word(each["gap"]), []).append(each["combination"])
        parts = [
            f"{at}: " + ", ".join(f"{word} ({', '.join(names)})" for word, names in words.items())
            for at, words in told.items()
        ]
        return f"{self.own} beside {self.beside}, steered: {'; '.join(parts) or 'not comparable'}"

    def _word(self, gap: tuple[float, float, float]) -> str:
        _, low, high = gap
        none = "no difference beyond uncertainty"
        return f"{self.own} more" if low > 0 else f"{self.beside} more" if high < 0 else none

    @property
    def _nothing(self) -> str:
        """Why there is no gap."""
        if self.of(self.beside):
            return f"no setting could be measured of both {self.own} and {self.beside}"
        return f"{self.beside} has no refusals that could be compared"

    def _told(self, each: dict[str, Any]) -> str:
        value, low, high = (100 * number for number in each["gap"])
        place = f"{AT[each['scale']]}, {each['combination']}"
        return f"{place}: {self.own} minus {self.beside} {value:+.0f} points [{low:+.0f}, {high:+.0f}] of coherent refusals"
