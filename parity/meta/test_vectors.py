"""Programs as vectors: what is compared, what an engine in another process gives, and which faults fail which vector."""

import json
import random
import re
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fixtures.faults import FAULTS
from parity.meta.vector_campaign import UNSEEN, Vectors, read_results, unseen
from parity.vectors.__main__ import main
from parity.vectors.check import Result, check_vector
from parity.vectors.directions import DIRECTIONS
from parity.vectors.files import frozen, write_vectors
from parity.vectors.format import GenerateCall, ReadCall, Vector, VectorFile, schemas
from parity.vectors.make import FROZEN, SOURCES, Maker, load, programs_of
from steering_core.places import ROOT

DOCS = ROOT / "docs" / "vectors.md"
TELLING = ("every_stream", "chat_right_padding", "features", "affine", "interpolate", "decode_only", "early_ends")
TELLING += ("positions", "ablate_blocks", "set_by_phase", "scale", "float16_vector", "in_chunks", "sampling_defaults")
TELLING += (*DIRECTIONS, "add_inside", "modes_inside", "modes_of_contributions", "inside_and_after")
"""Vectors that together use every field of the format."""
SAMPLE = 8
"""Faults that are tried, of those that fail a vector; which, by a seed."""

READ = ReadCall(call="read", instance=0, padding_side="left", sites=["resid_post@0"], tolerances={"resid_post@0": 0.1})
TWO_ROWS = np.array([[0, 1, 1], [1, 1, 1]])
GENERATE = GenerateCall(
    call="generate",
    instance=0,
    padding_side="left",
    edits=[],
    max_new_tokens=2,
    use_cache=True,
    prefill_chunk=0,
    tolerances={"logits": 0.1, "shift@0": 0.1},
)


def results(
    call: ReadCall | GenerateCall, expected: dict[str, Any], given: dict[str, Any], **other: str
) -> list[Result]:
    vector = Vector(name="v", text="", generation_config={}, calls=[call])
    arrays = {f"v/0/{name}": np.array(value) for name, value in expected.items()}
    return list(check_vector(vector, arrays, {f"v/0/{name}": np.array(value) for name, value in given.items()}, other))


def read(change: Any = None, **other: str) -> list[Result]:
    """The results of reading ones at two rows, the first padded; change: what is done to the answer."""
    ones = np.ones((2, 3, 4), np.float32)
    answer = ones.copy()
    answer = change(answer) if change else answer
    given = {} if answer is None else {"resid_post@0": answer}
    return results(READ, {"attention_mask": TWO_ROWS, "resid_post@0": ones}, given, **other)


def put(value: float, *place: int) -> Any:
    def change(answer: Any) -> Any:
        answer[place] = value
        return answer

    return change


@pytest.mark.parametrize(
    ("change", "outcome", "words"),
    [
        (None, "passed", ""),
        (put(1.05, 1, 2, 3), "passed", ""),
        (put(9.0, 0, 0, 0), "passed", ""),  # padding
        (put(1.2, 0, 1, 3), "failed", "entry 3 at row 0, column 1 is 1.2, expected 1"),
        (put(np.nan, 1, 0, 0), "failed", "is nan, expected 1"),
        (lambda answer: answer[:, :2], "failed", "float32 [2, 2, 4], expected float32 [2, 3, 4]"),
        (lambda answer: answer.astype(np.float16), "failed", "is float16"),
        (lambda answer: None, "missing", "no such tensor"),
    ],
)
def test_a_read_is_compared_at_real_tokens(change: Any, outcome: str, words: str) -> None:
    (result,) = read(change)

    assert result.outcome == outcome
    assert words in result.sentence


def generated(change: Any = None, **other: str) -> dict[str, Result]:
    """The results of two tokens a row, of which the first row ends after one."""
    expected = {
        "attention_mask": TWO_ROWS,
        "lengths": [1, 2],
        "tokens": [[7, 0], [5, 6]],
        "logits": np.zeros((2, 2, 3), np.float32),
        "shift@0": np.zeros((2, 4, 2), np.float32),
    }
    given = {name: np.array(expected[name]) for name in ("tokens", "logits", "shift@0")}
    if change:
        name, *place, value = change
        given[name][tuple(place)] = value
    return {result.value: result for result in results(GENERATE, expected, given, **other)}


@pytest.mark.parametrize(
    ("change", "failing"),
    [
        (None, set()),
        (("tokens", 1, 1, 9), {"0/tokens"}),
        (("tokens", 0, 1, 9), {"0/tokens"}),  # padding after the end
        (("logits", 1, 1, 0, 1.0), {"0/logits"}),
        (("logits", 0, 1, 0, 1.0), set()),  # after the end
        (("shift@0", 1, 3, 0, 1.0), {"0/shift@0"}),
        (("shift@0", 0, 3, 0, 1.0), set()),  # the end token is never fed
        (("shift@0", 0, 0, 0, 1.0), {"0/padding"}),
    ],
)
def test_a_generation_is_compared_where_it_is_determined(change: Any, failing: set[str]) -> None:
    assert {value for value, result in generated(change).items() if result.outcome == "failed"} == failing


def test_what_is_not_offered_is_neither_passed_nor_failed() -> None:
    assert [result.outcome for result in read(put(9.0, 1, 1, 1), v="it cannot")] == ["not offered"]
    assert generated(("shift@0", 0, 0, 0, 1.0), padding="moves it")["0/padding"].outcome == "not offered"


def test_a_value_that_was_not_requested_is_a_failure() -> None:
    ones = np.ones((2, 3, 4), np.float32)
    expected = {"attention_mask": TWO_ROWS, "resid_post@0": ones}

    outcomes = [result.outcome for result in results(READ, expected, {"resid_post@0": ones, "resid_post@1": ones})]

    assert outcomes == ["failed", "passed"]


@pytest.fixture(scope="module")
def qwen() -> Vectors:
    """The vectors of tiny_qwen2, and the model."""
    return Vectors.loaded(*frozen("tiny_qwen2"))


@pytest.fixture(scope="module")
def telling(qwen: Vectors, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a few of the vectors."""
    vectors = [vector for vector in qwen.file.vectors if vector.name in TELLING]
    folder = tmp_path_factory.mktemp("vectors")
    values = {name: value for name, value in qwen.answering.values.items() if name.partition("/")[0] in TELLING}
    write_vectors(folder, VectorFile(**{**dict(qwen.file), "vectors": vectors}), values)
    return folder


def test_the_references_own_answers_pass(telling: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["answer", str(telling), str(tmp_path)]) == 0
    assert main(["check", str(telling), str(tmp_path)]) == 0
    assert "failed" not in capsys.readouterr().out


def test_an_engine_in_another_process_passes(telling: Path, tmp_path: Path) -> None:
    (script,) = re.findall(r"^```python\n(.*?)^```", DOCS.read_text(encoding="utf-8"), re.M | re.S)
    (tmp_path / "engine.py").write_text(script, encoding="utf-8")
    checkpoint = ROOT / "fixtures" / "checkpoints" / "tiny_qwen2"
    command = [sys.executable, "-I", "engine.py", telling, "answers", checkpoint]

    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)

    assert main(["check", str(telling), str(tmp_path / "answers")]) == 0


def test_wrong_answers_and_bad_files_have_exit_statuses_of_their_own(
    telling: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = {"format": "steering-parity answers", "version": 1, "engine": "none"}
    (tmp_path / "answers.json").write_text(json.dumps(manifest), encoding="utf-8")
    assert main(["check", str(telling), str(tmp_path)]) == 2
    assert "cannot be read as safetensors" in capsys.readouterr().err
    (tmp_path / "answers.safetensors").write_bytes(b"\x02\0\0\0\0\0\0\0{}")
    assert main(["check", str(telling), str(tmp_path)]) == 1
    assert "missing: no such tensor" in capsys.readouterr().out
    (tmp_path / "answers.json").write_text(json.dumps({**manifest, "not_offered": {"x": "?"}}), encoding="utf-8")
    assert main(["check", str(telling), str(tmp_path)]) == 2
    assert "not_offered: 'x' is not known" in capsys.readouterr().err


def test_the_frozen_values_are_what_the_reference_gives(qwen: Vectors) -> None:
    maker, programs = Maker(load("tiny_qwen2")), dict(programs_of("tiny_qwen2"))
    assert [vector.name for vector in qwen.file.vectors] == [*programs, *DIRECTIONS]
    for name in random.Random(1).sample([*programs], 6):
        made, kept = maker.vector(name, programs[name]), next(v for v in qwen.file.vectors if v.name == name)
        assert made.model_dump(exclude={"calls"}) == kept.model_dump(exclude={"calls"})
        for number, call in enumerate(kept.calls):
            for value, tolerance in call.tolerances.items():
                key = f"{name}/{number}/{value}"
                assert float((maker.values[key] - qwen.answering.values[key]).abs().max()) <= tolerance, key


@pytest.mark.parametrize("key", SOURCES)
def test_the_vectors_belong_to_the_checkpoint(key: str) -> None:
    file, _ = frozen(key)
    weights = (ROOT / file.checkpoint.folder / "model.safetensors").read_bytes()

    assert file.checkpoint.sha256 == sha256(weights).hexdigest()


def test_the_vectors_are_small() -> None:
    assert sum(path.stat().st_size for path in FROZEN.rglob("*") if path.is_file()) < 2e6


def test_every_fault_fails_a_vector_or_has_a_reason() -> None:
    caught, reasons = read_results(), unseen()
    names = {fault.name for fault in FAULTS}

    assert {*caught} | {*reasons} == names, f"run `python -m parity.meta.vector_campaign`, or add a reason to {UNSEEN}"
    assert {*caught} & {*reasons} == set()
    vectors = {vector.name for key in SOURCES for vector in frozen(key)[0].vectors}
    assert {result["vector"] for result in caught.values()} <= vectors


def test_faults_fail_their_vectors(qwen: Vectors) -> None:
    caught = read_results()
    tools = [fault for fault in FAULTS if fault.name in caught and fault.model == "tiny_qwen2"]
    harmless = [fault for fault in tools if fault.file not in {"side_effects", "process_effects"}]
    for fault in random.Random(7).sample(harmless, SAMPLE):
        vector = caught[fault.name]["vector"]
        assert qwen.first_failure(fault.spec, [vector])["vector"] == vector, fault.name
    assert qwen.first_failure("hooks", TELLING) == {"vector": ""}


def test_the_schema_is_the_documented_one() -> None:
    schema = json.loads((ROOT / "docs" / "vectors.schema.json").read_text(encoding="utf-8"))

    assert schema == schemas(), "write it again: python -m parity.vectors schema > docs/vectors.schema.json"


def test_every_field_is_documented() -> None:
    page = DOCS.read_text(encoding="utf-8")
    parts = [
        part
        for schema in schemas().values()
        for part in (schema, *schema.get("$defs", {}).values())
        if "properties" in part
    ]
    fields = {name for part in parts for name in part["properties"]}

    assert sorted(name for name in fields if f"`{name}`" not in page) == []
