"""The mutator changes what code does and nothing else; the campaign repeats no finished mutant and lists survivors."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from parity.meta import mutation_campaign
from parity.meta.copied_suite import copy_suite
from parity.meta.mutants import Mutant, mutants_of, mutated
from parity.meta.mutation_campaign import all_mutants, campaign, outcome, summary

TEXT = """
@decorated(1, 2)
def f(a: int | None, b: bool = True) -> int | str:
    "A text: 1 + 1."
    if not a or a < 3:
        raise ValueError(f"{a + 1}", 4)
    return g(a + 2.5, b)
"""
CHANGES = [
    "not a or a < 3 -> not a and a < 3",
    "not a -> not not a",
    "a < 3 -> a >= 3",
    "3 -> 4",
    "return g(a + 2.5, b) -> return None",
    "g(a + 2.5, b) -> g(b, a + 2.5)",
    "a + 2.5 -> a - 2.5",
    "2.5 -> 3.5",
    "True -> False",
]


def test_each_kind_of_change_is_made_once() -> None:
    mutants = mutants_of("a.py", TEXT)

    assert sorted(mutant.change for mutant in mutants) == sorted(CHANGES)
    assert {mutant.place for mutant in mutants if mutant.change.startswith("return")} == {"a.py:7"}
    assert len({mutated(TEXT, mutant.number) for mutant in mutants}) == len(CHANGES)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the suite."""
    tree = tmp_path_factory.mktemp("copy") / "suite"
    copy_suite(tree)
    return tree


KILLED = [
    ("steering_core/directions/difference_of_means.py", "harmful.double().mean(0) - harmless.double().mean(0) -> "),
    ("steering_core/observe/expectation.py", "vector * edit.coefficient -> vector / edit.coefficient"),
    ("steering_core/directions/__init__.py", "return direction -> return None"),
]


@pytest.mark.parametrize(("file", "change"), KILLED)
def test_a_known_mutant_is_killed(file: str, change: str, tree: Path) -> None:
    mutant = next(one for one in all_mutants([Path(file).parts[1]]) if one.file == file and change in one.change)
    before = (tree / file).read_text()

    assert outcome(tree, mutant).startswith("killed")
    assert (tree / file).read_text() == before


def test_a_mutant_that_tests_and_checks_accept_survives(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant, asked = all_mutants(["directions"])[0], list[str]()
    monkeypatch.setattr(mutation_campaign, "passes", lambda tree, words: asked.append(words[0]) or True)

    assert outcome(tree, mutant) == "survived"
    assert asked == ["pytest", "parity.meta.mutation_checks"]


def test_a_finished_mutant_is_not_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = list[int]()
    monkeypatch.setattr(mutation_campaign, "outcome", lambda tree, one: tried.append(one.number) or "survived")
    mutants, results = [Mutant("a.py", number, "a.py:1", "x -> y") for number in range(3)], tmp_path / "rows.jsonl"

    first = list(campaign(mutants[:2], results, tmp_path))
    rows = list(campaign(mutants, results, tmp_path))

    assert (tried, rows[:2]) == ([0, 1, 2], first)


def test_the_summary_counts_the_killed_and_lists_the_survivors() -> None:
    rows = [{"place": f"a.py:{n}", "change": "x -> y", "outcome": "killed by tests"} for n in range(2)]
    rows += [{"place": "a.py:9", "change": "1 -> 2", "outcome": "survived"}]
    rows += [{"place": "a.py:8", "change": "1 -> 2", "outcome": "killed by checks"}]

    assert summary(rows) == (
        "3 of 4 mutants killed (75.0%), 1 by the parity checks alone\n1 survived:\n  a.py:9: 1 -> 2"
    )
