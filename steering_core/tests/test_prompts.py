"""Prompt files: a mistake in one is named before any model loads."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from steering_core.errors import UsageProblem
from steering_core.places import PROMPTS
from steering_core.prompts import near_duplicates, normalized, read_prompts

GOOD: dict[str, Any] = {"extraction": {"harmful": ["a", "b"], "harmless": ["c", "d"]}, "evaluation": ["e"]}


def write(folder: Path, data: Any) -> Path:
    file = folder / "prompts.json"
    file.write_text(json.dumps(data), encoding="utf-8")
    return file


def with_evaluation(value: Any) -> dict[str, Any]:
    return {**GOOD, "evaluation": value}


def test_reads_the_sets_in_order(tmp_path: Path) -> None:
    file = write(tmp_path, GOOD)

    prompts = read_prompts(file)

    assert (prompts.harmful, prompts.harmless, prompts.evaluation) == (("a", "b"), ("c", "d"), ("e",))
    assert prompts.extraction == ("a", "b", "c", "d"), "harmful first: the direction is taken from the halves"
    assert (prompts.digest, prompts.name) == (sha256(file.read_bytes()).hexdigest(), "prompts.json")
    assert prompts.warnings() == ["prompts.json has no premise prompts: B3 uses the suite's own"]


KINDS = ("harmful", "harmless")


def with_premise(**changes: Any) -> dict[str, Any]:
    """Twenty premise prompts of each kind, or those of `changes`."""
    return {**GOOD, "premise": {kind: [f"{kind} {n}" for n in range(20)] for kind in KINDS} | changes}


def test_premise_prompts_are_the_files_own_or_the_suites(tmp_path: Path) -> None:
    own, other = read_prompts(write(tmp_path, with_premise())), read_prompts(write(tmp_path, GOOD))

    assert own.to_refuse() == tuple(f"harmful {n}" for n in range(20))
    assert own.to_answer() == (*(f"harmless {n}" for n in range(20)), "e"), "evaluation prompts are to be answered too"
    assert own.warnings() == []
    suites = json.loads(PROMPTS.read_text())["premise"]
    assert (list(other.premise.harmful), list(other.premise.harmless)) == (suites["harmful"], suites["harmless"])


def test_repeats_and_extraction_prompts_are_no_premise_prompts(tmp_path: Path) -> None:
    harmful = [*(f"harmful {n}" for n in range(20)), "HARMFUL  3", "A"]
    prompts = read_prompts(write(tmp_path, with_premise(harmful=harmful)))

    assert prompts.to_refuse() == tuple(f"harmful {n}" for n in range(20))
    assert prompts.warnings() == ["prompt occurs 2 times: 'a'", "prompt occurs 2 times: 'harmful 3'"]


@pytest.mark.parametrize("kind", KINDS)
def test_fewer_than_twenty_premise_prompts_are_refused(tmp_path: Path, kind: str) -> None:
    texts = [*(f"prompt {n}" for n in range(19)), "Prompt 1", "c"]

    with pytest.raises(UsageProblem, match=rf"19 distinct {kind} premise prompts .* at least 20"):
        read_prompts(write(tmp_path, with_premise(**{kind: texts})))


def test_a_premise_prompt_that_is_nearly_an_extraction_prompt_is_a_warning(tmp_path: Path) -> None:
    sets = with_premise(harmless=[*(f"harmless {n}" for n in range(20)), "Please show me how paper planes fly"])
    sets["extraction"] = {"harmful": ["a"], "harmless": ["Explain why paper planes fly"]}

    [warning] = read_prompts(write(tmp_path, sets)).warnings()

    assert warning.startswith("nearly the same prompt in two sets: 'Explain why paper planes fly' and 'Please show")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "extraction.harmful is missing"),
        ({"evaluation": ["e"]}, "extraction.harmful is missing"),
        ({**GOOD, "extraction": {"harmful": ["a"]}}, "extraction.harmless is missing"),
        ({**GOOD, "extraction": {"harmful": ["a"], "harmless": ["c", "d"]}}, "1 harmful and 2 harmless.*matched pairs"),
        (with_evaluation([]), "evaluation is missing"),
        (with_evaluation("e"), "evaluation is missing"),
        (with_evaluation(["e", 3]), "evaluation is missing"),
        (with_evaluation(["e", " \n"]), "evaluation is missing"),
        (with_evaluation(["\ud800"]), "evaluation is missing"),
        (with_evaluation(None), "evaluation is missing"),
        ({**GOOD, "premise": []}, "premise.harmful is missing"),
        ({**GOOD, "premise": {"harmful": ["h"] * 20}}, "premise.harmless is missing"),
    ],
)
def test_a_wrong_shape_is_named(tmp_path: Path, data: Any, message: str) -> None:
    file = write(tmp_path, data)

    with pytest.raises(UsageProblem, match=message) as caught:
        read_prompts(file)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"\xff\xfe\x00", b"[" * 100_000, b"9" * 5000],
    ids=["empty", "cut", "bytes", "deep", "long number"],
)
def test_a_file_that_is_not_json_is_one_clear_line(tmp_path: Path, raw: bytes) -> None:
    file = tmp_path / "prompts.json"
    file.write_bytes(raw)

    with pytest.raises(UsageProblem, match=r"prompts.json") as caught:
        read_prompts(file)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["missing.json", "."])
def test_a_missing_file_or_a_directory_is_a_usage_problem(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageProblem, match="cannot be read"):
        read_prompts(tmp_path / name)


def test_repeats_are_found_whatever_case_and_spacing(tmp_path: Path) -> None:
    extraction = {"harmful": ["How  to\nBake"], "harmless": ["c"]}
    file = write(tmp_path, {"extraction": extraction, "evaluation": ["how to bake"]})

    assert read_prompts(file).warnings()[1:] == ["prompt occurs 2 times: 'how to bake'"]
    assert normalized(" A\t b ") == "a b"


STUDY_PAIRS = [
    ("Explain how photosynthesis works", "Explain photosynthesis", "2 of 3"),
    ("How do I create a good resume?", "How do I write a good resume?", "2 of 4"),
]
"""The study extracts directions from the first of each pair and evaluates with the second."""


@pytest.mark.parametrize(("extraction", "evaluation", "share"), STUDY_PAIRS)
def test_nearly_the_same_prompt_in_two_sets_is_a_warning(
    tmp_path: Path, extraction: str, evaluation: str, share: str
) -> None:
    sets = {"extraction": {"harmful": ["a"], "harmless": [extraction]}, "evaluation": ["b", evaluation]}

    [_, warning] = read_prompts(write(tmp_path, sets)).warnings()

    assert warning.startswith("nearly the same prompt in two sets")
    assert repr(extraction) in warning
    assert warning.endswith(f"{evaluation!r} share {share} words")


def test_different_prompts_are_no_warning() -> None:
    assert read_prompts(PROMPTS).warnings() == []
    others = [
        "How do I improve my public speaking?",
        "Explain how vaccines work",
        "What is the best way to train a dog?",
    ]
    mine = ["How can I improve my memory?", "Explain how photosynthesis works", "What is the best way to buy a ticket?"]
    assert near_duplicates(mine, others) == []
    assert near_duplicates(["What is it?"], ["What is that?"]) == [], "nothing is left without stop words"
    assert near_duplicates(["How to bake"], ["how  to BAKE"]) == [], "an exact repeat is counted, not compared"
