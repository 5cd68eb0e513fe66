"""A stored run that a table is made of: whole, or the small part of it that is kept."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from steering_core.records.record import Frozen, Plan, Run, Value

EPOCH = datetime.min.replace(tzinfo=UTC)


class KeptRun(Frozen):
    """Of a run whose records lie elsewhere. records: how many it has. dtype, device: as its records name them."""

    name: str
    sha256: str
    started: datetime
    records: int
    plan: Plan
    dtype: str = ""
    device: str = ""
    commit: Value = None
    dirty: bool = False


@dataclass(frozen=True, eq=False)
class Source:
    """A run. file: its records, or what is kept of them. sha256: of its records file.

    kept, lines: of a kept run, and the line of each of its records in the file that they are from.
    """

    name: str
    file: Path
    sha256: str
    run: Run
    kept: KeptRun | None = None
    lines: tuple[int, ...] = ()

    @property
    def started(self) -> datetime:
        """When its first check began."""
        return self.kept.started if self.kept else min((each.started for each in self.run.records), default=EPOCH)

    @property
    def age(self) -> tuple[datetime, str]:
        """What runs are ordered by, oldest first."""
        return self.started, self.sha256

    @property
    def records(self) -> int:
        """How many records the run has."""
        return self.kept.records if self.kept else len(self.run.records)

    def line(self, number: int) -> int:
        """Of a record by its number: the line in the run's records file, from 1."""
        return self.lines[number] if self.kept else number + 2

    @property
    def replayed(self) -> bool:
        """Whether its numbers were read from published files, and not measured."""
        return bool(self.run.environment.get("replayed"))
