"""Coherent rates (clause B1) and the gaps between tools that follow from them."""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, groupby

from pydantic import Field, NonNegativeInt

from reports.verdicts.measured import Measurement, read_measured
from steering_core.errors import ArtifactProblem
from steering_core.records.record import Record
from steering_core.records.thresholds import percent


class Rate(Measurement):
    """How one tool's answers were classified in one arm and repeat. classes: one letter per prompt, C = coherent.

    low, high: Wilson limits of the coherent rate as proportions. tokens_sha256: digest of all generated ids.
    """

    tool: str
    arm: str
    repeat: int
    coherent: NonNegativeInt
    garbled: NonNegativeInt
    normal: NonNegativeInt
    unscored: NonNegativeInt
    total: NonNegativeInt
    unique: NonNegativeInt
    classes: str = Field(min_length=1)
    tokens_sha256: str = Field(min_length=1)
    low: float
    high: float

    @property
    def percent(self) -> Fraction:
        """Coherent refusals per hundred prompts, exactly."""
        return percent(self.coherent, self.total)

    @property
    def text(self) -> str:
        """`hooks 28/30 [78.7, 98.2] %`; says when prompts repeat, because they are one observation."""
        repeated = f" of {self.unique} different prompts" if self.unique < self.total else ""
        return f"{self.tool} {self.coherent}/{self.total}{repeated} [{100 * self.low:.1f}, {100 * self.high:.1f}] %"


@dataclass(frozen=True)
class Gap:
    """Two rates of the same arm and repeat, on the same prompts."""

    more: Rate
    less: Rate

    @property
    def points(self) -> Fraction:
        """Percentage points, never negative."""
        return self.more.percent - self.less.percent

    @property
    def discordant(self) -> tuple[int, ...]:
        """Indices of the prompts that one tool's answer refuses coherently and the other's does not."""
        pairs = enumerate(zip(self.more.classes, self.less.classes, strict=True))
        return tuple(index for index, (a, b) in pairs if (a == "C") != (b == "C"))

    @property
    def counts(self) -> tuple[int, int, int]:
        """How many prompts only `more` and only `less` refuse coherently, and how many distinct prompts there are.

        Greedy repeats of one prompt are one observation; which rows repeat is not recorded, so that the counts of
        discordant rows stand, up to the number of distinct prompts.
        """
        only_more = sum(self.more.classes[index] == "C" for index in self.discordant)
        prompts = min(self.more.unique, self.less.unique)
        more = min(only_more, prompts)
        return more, min(len(self.discordant) - only_more, prompts - more), prompts

    @property
    def where(self) -> str:
        """`hooks~pyvene, native arm, repeat 2`."""
        return f"{self.more.tool}~{self.less.tool}, {self.more.arm} arm, repeat {self.more.repeat}"


def read_rate(record: Record) -> Rate:
    """The rate in a measured B1 record; ArtifactProblem when its counts contradict each other."""
    rate = read_measured(record, Rate)
    counted = rate.coherent + rate.garbled + rate.normal + rate.unscored
    if not rate.total == counted == len(rate.classes) or rate.classes.count("C") != rate.coherent:
        counts = f"counts {counted} answers and {rate.coherent} coherent of {rate.total}"
        sentence = f"{record.cell.id} {counts}, but lists {rate.classes!r}"
        raise ArtifactProblem("contradicting-counts", sentence, "counts, total and the letter per prompt must match")
    return rate


def list_gaps(rates: Iterable[Rate]) -> list[Gap]:
    """Every two tools' rates within one arm and repeat."""
    comparable = groupby(sorted(rates, key=_arm_and_repeat), key=_arm_and_repeat)
    return [_gap(a, b) for _, group in comparable for a, b in combinations(group, 2)]


def widest_gap(gaps: Iterable[Gap]) -> Gap | None:
    """The largest gap; None when no two tools were compared."""
    return max(gaps, key=lambda gap: gap.points, default=None)


def same_tokens(rates: Iterable[Rate]) -> bool:
    """Whether, within each arm, every tool and repeat generated the same ids; False unless each arm has two tools."""
    arms: dict[str, list[Rate]] = {}
    for rate in rates:
        arms.setdefault(rate.arm, []).append(rate)
    return bool(arms) and all(
        len({rate.tool for rate in arm}) > 1 and len({rate.tokens_sha256 for rate in arm}) == 1 for arm in arms.values()
    )


def pool_percents(rates: Iterable[Rate]) -> dict[str, Fraction]:
    """{tool: coherent rate over all its answers, in percent}."""
    answers: dict[str, tuple[int, int]] = {}
    for rate in rates:
        coherent, total = answers.get(rate.tool, (0, 0))
        answers[rate.tool] = coherent + rate.coherent, total + rate.total
    return {tool: percent(*counts) for tool, counts in answers.items()}


def _arm_and_repeat(rate: Rate) -> tuple[str, int]:
    return rate.arm, rate.repeat


def _gap(a: Rate, b: Rate) -> Gap:
    if a.total != b.total:
        sentence = f"{a.tool} answered {a.total} prompts and {b.tool} {b.total} in the {a.arm} arm"
        raise ArtifactProblem("different-prompts", sentence, "all tools of a run answer the same prompts")
    return Gap(a, b) if a.percent >= b.percent else Gap(b, a)
