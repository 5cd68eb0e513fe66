"""What decisions have asked for, round by round, in the run directory: `--follow` adds it to the run's plan."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from steering_core.errors import ArtifactProblem
from steering_core.records.record import Cell, Frozen, Plan

FOLLOWED = "followed.json"


class Asked(Frozen):
    """A condition of a sweep; None stands for every value that its check has. depth: percent of the blocks."""

    model: str
    clause: str
    depth: int | None = None
    multiplier: float | None = None
    method: str | None = None

    def matches(self, clause: str, params: Mapping[str, Any]) -> bool:
        """Whether a check with these parameters measures it."""
        wanted = {"model_key": self.model, "depth": self.depth, "multiplier": self.multiplier, "method": self.method}
        return clause == self.clause and all(
            value is None or name not in params or params[name] == value for name, value in wanted.items()
        )

    @property
    def words(self) -> str:
        """`W1 gemma9b 30% 20x dim`."""
        depth = None if self.depth is None else f"{self.depth}%"
        multiplier = None if self.multiplier is None else f"{self.multiplier:g}x"
        return " ".join(filter(None, (self.clause, self.model, depth, multiplier, self.method)))


class Round(Frozen):
    """The conditions asked for together. done: every one of them has a record."""

    conditions: tuple[Asked, ...]
    done: bool = False


class Followed(Frozen):
    """All rounds of a run."""

    rounds: tuple[Round, ...] = ()

    @property
    def conditions(self) -> tuple[Asked, ...]:
        """Of every round, each once."""
        return tuple(dict.fromkeys(each for one in self.rounds for each in one.conditions))

    @property
    def pending(self) -> bool:
        """Whether the last round has to be run, or run again."""
        return bool(self.rounds) and not self.rounds[-1].done

    def asking(self, conditions: Iterable[Asked]) -> "Followed":
        """With another round."""
        return Followed(rounds=(*self.rounds, Round(conditions=tuple(conditions))))

    def finished(self) -> "Followed":
        """With the last round done."""
        return Followed(rounds=(*self.rounds[:-1], Round(conditions=self.rounds[-1].conditions, done=True)))


def read_followed(folder: Path) -> Followed:
    """What was asked for in a run; nothing if the file is not there."""
    path = folder / FOLLOWED
    if not path.exists():
        return Followed()
    try:
        return Followed.model_validate_json(path.read_text(encoding="utf-8"))
    except (ValidationError, OSError, UnicodeDecodeError):
        sentence = f"{path} is not a list of conditions"
        raise ArtifactProblem("followed-file", sentence, "restore it, or run again in a new --run-dir") from None


def write_followed(folder: Path, followed: Followed) -> None:
    """Replace the file as a whole."""
    temporary = folder / f"{FOLLOWED}.{os.getpid()}.part"
    try:
        temporary.write_text(followed.model_dump_json(indent=1), encoding="utf-8")
        os.replace(temporary, folder / FOLLOWED)
    except OSError as error:
        sentence = f"{folder / FOLLOWED} cannot be written: {error.strerror}"
        raise ArtifactProblem("followed-write", sentence, "free some space and --resume the run") from None


def without_followed(plan: Plan) -> Plan:
    """The plan as the command line made it."""
    followed = set(plan.followed)
    planned = tuple(cell for cell in plan.planned if cell not in followed)
    return plan.model_copy(update={"planned": planned, "followed": ()})


def with_followed(plan: Plan, cells: Iterable[Cell]) -> Plan:
    """The plan with further cells, those that it has already aside; what the matrix requires is not changed by them."""
    base = without_followed(plan)
    known = set(base.planned)
    added = tuple(dict.fromkeys(cell for cell in (*plan.followed, *cells) if cell not in known))
    return base.model_copy(update={"planned": (*base.planned, *added), "followed": added})
