"""Coherent rates (clause B1) and the gaps between tools that follow from them."""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, groupby

from reports.verdicts.measured import read_count, read_number, read_text
from steering_core.errors import ArtifactProblem
from steering_core.records.record import Record


@dataclass(frozen=True)
class Rate:
    """How one tool's answers were classed in one arm and repeat. classes: one letter per prompt, C = coherent.

    low, high: Wilson limits of the coherent rate as proportions. tokens: digest of all generated ids.
    """

    tool: str
    arm: str
    repeat: int
    coherent: int
    unscored: int
    total: int
    unique: int
    classes: str
    tokens: str
    low: float
    high: float

    @property
    def percent(self) -> Fraction:
        """Coherent refusals per hundred prompts, exactly."""
        return Fraction(100 * self.coherent, self.total)

    @property
    def text(self) -> str:
        """`hooks 28/30 [78.7, 98.2] %`; repeated prompts are said, because they are one observation."""
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
    def where(self) -> str:
        """`hooks~pyvene, native arm, repeat 2`."""
        return f"{self.more.tool}~{self.less.tool}, {self.more.arm} arm, repeat {self.more.repeat}"


def read_rate(record: Record) -> Rate:
    """The rate in a measured B1 record; ArtifactProblem when its counts contradict each other."""
    cell = record.cell
    rate = Rate(
        tool=cell.tool or "",
        arm=cell.arm or "",
        repeat=cell.repeat or 0,
        coherent=read_count(record, "coherent"),
        unscored=read_count(record, "unscored"),
        total=read_count(record, "total"),
        unique=read_count(record, "unique"),
        classes=read_text(record, "classes"),
        tokens=read_text(record, "tokens_sha256"),
        low=read_number(record, "low"),
        high=read_number(record, "high"),
    )
    _check_counts(record, rate)
    return rate


def widest_gap(rates: Iterable[Rate]) -> Gap | None:
    """The largest gap between two tools within one arm and repeat; None when no two tools share one."""
    gaps = [_gap(a, b) for group in _comparable(rates) for a, b in combinations(group, 2)]
    return max(gaps, key=lambda gap: gap.points, default=None)


def same_tokens(rates: Iterable[Rate]) -> bool:
    """Whether, within each arm, every tool and repeat generated the same ids; False unless each arm has two tools."""
    arms: dict[str, list[Rate]] = {}
    for rate in rates:
        arms.setdefault(rate.arm, []).append(rate)
    return bool(arms) and all(
        len({rate.tool for rate in arm}) > 1 and len({rate.tokens for rate in arm}) == 1 for arm in arms.values()
    )


def pool_percents(rates: Iterable[Rate]) -> dict[str, Fraction]:
    """{tool: coherent rate over all its answers, in percent}."""
    answers: dict[str, tuple[int, int]] = {}
    for rate in rates:
        coherent, total = answers.get(rate.tool, (0, 0))
        answers[rate.tool] = coherent + rate.coherent, total + rate.total
    return {tool: Fraction(100 * coherent, total) for tool, (coherent, total) in answers.items()}


def _comparable(rates: Iterable[Rate]) -> list[list[Rate]]:
    ordered = sorted(rates, key=lambda rate: (rate.arm, rate.repeat))
    return [list(group) for _, group in groupby(ordered, key=lambda rate: (rate.arm, rate.repeat))]


def _gap(a: Rate, b: Rate) -> Gap:
    if a.total != b.total:
        raise ArtifactProblem(
            "different-prompts",
            f"{a.tool} answered {a.total} prompts and {b.tool} {b.total} in the {a.arm} arm",
            "all tools of a run answer the same prompts",
        )
    return Gap(a, b) if a.percent >= b.percent else Gap(b, a)


def _check_counts(record: Record, rate: Rate) -> None:
    counted = sum(read_count(record, name) for name in ("coherent", "garbled", "normal", "unscored"))
    if not (rate.total == counted == len(rate.classes) and rate.classes.count("C") == rate.coherent):
        raise ArtifactProblem(
            "contradicting-counts",
            f"{record.cell.id} counts {counted} answers and {rate.coherent} coherent of {rate.total}, "
            f"but lists {rate.classes!r}",
            "counts, total and the letter per prompt must say the same",
        )
