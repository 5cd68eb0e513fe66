"""pyproject.toml, constraints.txt and CITATION.cff agree: pinned versions lie in the declared ranges, named extras exist."""

import re
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from parity.meta.documented_commands import read_pages
from steering_core.places import ROOT
from steering_core.tools.importing import TRIED

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


BESIDE = ("nnterp", "transformer-lens", "interp-engine")
"""Extras of adapters that were tried in a stack of stacks.toml, not with constraints.txt."""


@pytest.mark.parametrize(
    "requirement",
    [*PROJECT["dependencies"], *(one for name, extra in EXTRAS.items() if name not in BESIDE for one in extra)],
)
def test_the_tried_version_lies_in_the_declared_range(requirement: str) -> None:
    assert not outside(requirement, PINNED)


def versions_of_stacks() -> dict[str, set[str]]:
    """Package -> the versions that stacks.toml names; `1.3.*` as 1.3."""
    stacks = tomllib.loads((ROOT / "stacks.toml").read_text(encoding="utf-8"))
    words = [word for stack in stacks.values() for arguments in stack["install"] for word in arguments]
    versions: dict[str, set[str]] = {}
    for name, version in (word.split("==") for word in words if "==" in word):
        versions.setdefault(name, set()).add(version.removesuffix(".*"))
    return versions


@pytest.mark.parametrize("package", TRIED)
def test_what_a_missing_library_is_told_to_install_was_tried(package: str) -> None:
    tried = versions_of_stacks() | {
        name: {version} for name, version in PINNED.items() if name in ("nnsight", "pyvene")
    }
    tried["nnsight"] |= versions_of_stacks()["nnsight"]
    ranges = [Requirement(word.strip("'")) for word in TRIED[package].split()]

    assert ranges[0].name == package
    for one in ranges:
        assert any(version in one.specifier for version in tried.get(one.name, ())) or one.name in ("ipython", "numpy")
    extra = [str(Requirement(one)) for one in EXTRAS.get(package, map(str, ranges))]
    assert extra == [str(range) for range in ranges]


def test_adapters_that_run_beside_the_suite_have_an_extra_and_the_others_cannot_have_one() -> None:
    """A library whose requirements no extra can meet is one whose stack has another transformers or numpy than the suite."""
    stacks = tomllib.loads((ROOT / "stacks.toml").read_text(encoding="utf-8"))
    apart = {name for name, stack in stacks.items() if outside_of_the_suite(stack["install"])}

    assert set(EXTRAS) >= {"nnsight", "pyvene", *BESIDE}
    assert set(TRIED) - set(EXTRAS) == {"repeng", "steering-vectors", "dialz"} == apart & set(TRIED)


def outside_of_the_suite(install: list[list[str]]) -> bool:
    """Whether a stack has numpy 1, or a transformers that the suite does not take."""
    words = {word for arguments in install for word in arguments}
    (declared,) = (one.specifier for one in map(Requirement, PROJECT["dependencies"]) if one.name == "transformers")
    others = [word.split("==")[1] for word in words if word.startswith("transformers==")]
    return "numpy<2" in words or any(version not in declared for version in others)


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
