"""fixtures/transfer.toml, checked: the prompt sets that directions are taken from and used on. No torch."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from steering_core.errors import UsageProblem
from steering_core.measure.findings.traits import PromptClass, Trait
from steering_core.places import FIXTURES
from steering_core.prompts import normalized

FILE = FIXTURES / "transfer.toml"
HINT = f"correct fixtures/{FILE.name}"
STRICT = ConfigDict(strict=True, extra="forbid")
Texts = list[str]


class Rows(BaseModel):
    """Prompts of both classes."""

    model_config = STRICT
    present: Texts = Field(min_length=2)
    absent: Texts = Field(min_length=2)


class SetTable(BaseModel):
    """A set in a prompts file."""

    model_config = STRICT
    train: Rows
    heldout: Rows
    neutral: Texts = Field(min_length=1)
    markers: Texts = Field(default_factory=list)


class MatrixTable(BaseModel):
    """A table of the file."""

    model_config = STRICT
    about: str
    sets: dict[str, str] = Field(min_length=2)
    models: list[str] = Field(default_factory=list)
    exempt: list[str] = Field(default_factory=list)


@dataclass(frozen=True)
class TransferSet:
    """Prompts that a direction is taken from and judged on, and neutral ones that are steered along directions."""

    trait: Trait
    neutral: tuple[str, ...]
    markers: tuple[str, ...]

    @property
    def prompts(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.trait.prompts, *self.neutral)


@dataclass(frozen=True)
class Matrix:
    """Sets by name; every pair of them is a source and a target."""

    about: str
    sets: Mapping[str, TransferSet]
    models: tuple[str, ...] = ()
    exempt: tuple[str, ...] = ()

    def is_of(self, model: str) -> bool:
        """Whether a model, by its key, is measured."""
        return model in self.models if self.models else model not in self.exempt


@cache
def read_matrices(file: Path = FILE) -> Mapping[str, Matrix]:
    """The matrices by name; UsageProblem, in one line, for a file that cannot be used."""
    try:
        tables = {name: MatrixTable.model_validate(row) for name, row in tomllib.loads(file.read_text("utf-8")).items()}
        return {name: _matrix(name, table, file.parent / "prompts") for name, table in tables.items()}
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        sentence = f"{file.name}: {first['msg']} at {'.'.join(map(str, first['loc']))}"
        raise UsageProblem("transfer-file", sentence, HINT) from None
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise UsageProblem("transfer-file", f"{file.name} cannot be read: {error}", HINT) from None


def case_names() -> list[str]:
    """Every source and target, as MATRIX:SOURCE:TARGET."""
    return [f"{name}:{a}:{b}" for name, matrix in read_matrices().items() for a, b in product(matrix.sets, repeat=2)]


def _matrix(name: str, table: MatrixTable, folder: Path) -> Matrix:
    sets = {key: _set(f"{name}:{key}", table.about, folder, place) for key, place in table.sets.items()}
    return Matrix(table.about, sets, tuple(table.models), tuple(table.exempt))


def _set(name: str, about: str, folder: Path, place: str) -> TransferSet:
    file, _, key = place.partition(":")
    row = SetTable.model_validate(json.loads((folder / file).read_bytes())[key])
    positive, negative = (
        PromptClass(tuple(getattr(row.train, part)), tuple(getattr(row.heldout, part)))
        for part in ("present", "absent")
    )
    trait = Trait(name, about, positive, negative)
    trait.check()
    known = {normalized(text) for text in trait.prompts}
    if leaked := [text for text in row.neutral if normalized(text) in known]:
        raise UsageProblem("transfer-set", f"{name}: a neutral prompt has a class: {leaked[0]!r}", HINT)
    return TransferSet(trait, tuple(row.neutral), tuple(row.markers))
