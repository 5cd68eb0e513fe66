"""pyproject.toml, constraints.txt and CITATION.cff agree: pinned versions lie in the declared ranges, named extras exist."""

import re
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from parity.meta.documented_commands import read_pages
from steering_core.places import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
PINNED = {
    canonicalize_name(name): version
    for name, version in re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.M)
}
NAMED = re.compile(r"(?:steering-parity|-e '?\"?\.)\[([\w,-]+)\]")
"""Extras in a command that installs the suite."""


def outside(requirement: str, pinned: dict[str, str]) -> bool:
    """Whether the pinned version of a requirement is missing or outside of its range."""
    parsed = Requirement(requirement)
    version = pinned.get(canonicalize_name(parsed.name))
    return version is None or not parsed.specifier.contains(version, prereleases=True)


@pytest.mark.parametrize(
    "requirement", [*PROJECT["dependencies"], *(one for extra in EXTRAS.values() for one in extra)]
)
def test_the_tried_version_lies_in_the_declared_range(requirement: str) -> None:
    assert not outside(requirement, PINNED)


def test_a_version_outside_of_its_range_is_seen() -> None:
    assert outside("numpy>=3", {"numpy": "2.4.6"})
    assert outside("numpy>=2", {})
    assert not outside("pytest-xdist>=3.6", {"pytest-xdist": "3.8.0"})


def test_extras_that_are_named_exist() -> None:
    texts = [*read_pages().values(), (ROOT / "Makefile").read_text(encoding="utf-8")]
    named = {extra for text in texts for found in NAMED.findall(text) for extra in found.split(",")}

    assert {"nnsight", "pyvene"} < named
    assert named <= set(EXTRAS)


def test_the_citation_is_of_this_version_and_of_the_study() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))

    assert (citation["title"].split(":")[0], citation["version"]) == (PROJECT["name"], PROJECT["version"])
    assert citation["license"] == PROJECT["license"]
    assert {"cff-version", "message", "authors"} <= citation.keys()
    assert citation["references"][0]["repository-code"].endswith("/activation-steering-runs")
