"""fixtures/traits.toml, checked: two classes of prompts per trait, for extraction and held out. No torch."""

import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from steering_core.errors import EmptyMeasurement, UsageProblem
from steering_core.places import FIXTURES
from steering_core.prompts import normalized

FILE = FIXTURES / "traits.toml"
HINT = f"correct fixtures/{FILE.name}"


class ClassTable(BaseModel):
    """FILE:KEY.KEY of lists of texts."""

    model_config = ConfigDict(strict=True, extra="forbid")

    training: list[str] = Field(min_length=1)
    held_out: list[str] = Field(min_length=1)


class TraitTable(BaseModel):
    """A table of the file."""

    model_config = ConfigDict(strict=True, extra="forbid")

    about: str
    positive: ClassTable
    negative: ClassTable
    models: list[str] = Field(default_factory=list)


TABLES = TypeAdapter(dict[str, TraitTable])


@dataclass(frozen=True)
class PromptClass:
    """The prompts of one class. training: in pairs with those of the other class."""

    training: tuple[str, ...]
    held_out: tuple[str, ...]


@dataclass(frozen=True)
class Trait:
    """positive: the class that a direction points to. models: keys; empty for every model."""

    name: str
    about: str
    positive: PromptClass
    negative: PromptClass
    models: tuple[str, ...] = ()

    @property
    def prompts(self) -> tuple[str, ...]:
        """Training prompts, positive first, then the held-out ones."""
        classes = (self.positive, self.negative)
        return tuple(text for name in ("training", "held_out") for each in classes for text in getattr(each, name))

    def check(self) -> None:
        """EmptyMeasurement for an empty class; UsageProblem for unpaired training prompts, or one that is held out too."""
        for name, each in (("positive", self.positive), ("negative", self.negative)):
            if not each.training or len(each.held_out) < 2:
                sentence = f"trait {self.name}: {len(each.training)} training and {len(each.held_out)} held-out prompts"
                raise EmptyMeasurement("empty-class", f"{sentence} in the {name} class", "at least 1 and 2")
        counts = len(self.positive.training), len(self.negative.training)
        if counts[0] != counts[1]:
            sentence = f"trait {self.name}: {counts[0]} positive and {counts[1]} negative training prompts"
            raise UsageProblem("trait-pairs", sentence, "as many of each, in pairs")
        if shared := self.shared:
            raise UsageProblem("trait-split", f"trait {self.name}: both trained on and held out: {shared[0]!r}", HINT)

    @property
    def shared(self) -> tuple[str, ...]:
        """Prompts that are trained on and held out, whatever their case and spacing."""
        training = {normalized(text) for each in (self.positive, self.negative) for text in each.training}
        held_out = (text for each in (self.positive, self.negative) for text in each.held_out)
        return tuple(text for text in held_out if normalized(text) in training)


def count_prompts(sets: Mapping[str, Iterable[str]]) -> dict[str, int]:
    """For a record: how many distinct prompts of each set a finding used, by the set's name."""
    return {name: len({normalized(text) for text in texts}) for name, texts in sets.items()}


@cache
def read_traits(file: Path = FILE) -> Mapping[str, Trait]:
    """The traits by name; UsageProblem, in one line, for a file that cannot be used."""
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
        rows = TABLES.validate_python(tables)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        sentence = f"{file.name}, {'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise UsageProblem("traits-file", sentence, HINT) from None
    except (OSError, ValueError) as error:
        raise UsageProblem("traits-file", f"{file.name} cannot be read: {error}", HINT) from None
    return {name: _trait(name, row, file.parent / "prompts") for name, row in rows.items()}


def _trait(name: str, row: TraitTable, folder: Path) -> Trait:
    classes = [
        PromptClass(_texts(folder, name, each.training), _texts(folder, name, each.held_out))
        for each in (row.positive, row.negative)
    ]
    trait = Trait(name, row.about, classes[0], classes[1], tuple(row.models))
    trait.check()
    return trait


def _texts(folder: Path, trait: str, places: list[str]) -> tuple[str, ...]:
    """The texts of lists named FILE:KEY.KEY, one after the other."""
    return tuple(text for place in places for text in _list_at(folder, trait, place))


def _list_at(folder: Path, trait: str, place: str) -> list[str]:
    name, _, keys = place.partition(":")
    try:
        data: Any = json.loads((folder / name).read_bytes())
        for key in keys.split("."):
            data = data[key]
    except (OSError, ValueError, LookupError, TypeError) as error:
        sentence = f"trait {trait}: {place} cannot be read: {type(error).__name__} {error}"
        raise UsageProblem("trait-prompts", sentence, "FILE:KEY.KEY, FILE in fixtures/prompts/") from None
    if not isinstance(data, list) or not all(isinstance(text, str) and text.strip() for text in data):
        raise UsageProblem("trait-prompts", f"trait {trait}: {place} is not a list of texts", HINT)
    return data
