"""`python -m parity.benchmark`: what it compares, counts and writes."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from parity.benchmark import __main__ as command
from parity.benchmark import against_study, first_check, growth, table
from parity.benchmark.against_study import Comparison, equal_rows
from parity.benchmark.checkpoints import deep_tiny
from parity.benchmark.suite_way import Cycles
from parity.meta.forked_runs import ForkedRuns
from steering_core.measure.study_way import Cycle
from steering_core.models.random_mark import is_marked_random
from steering_core.models.registry import read_presets, resolve
from steering_core.places import PRESETS, PROMPTS
from steering_core.prompts import read_prompts

NEW_TOKENS = 6
RESULT: dict[str, Any] = {
    "machine": {"gpu": None, "cores": 2, "load": [1.2, 1, 1], "torch": "2.13.0", "transformers": "5.23.0"},
    "load_at_the_end": [2.7, 1, 1],
    "date": "2026-01-02T03:04:05+00:00",
    "model": {"shape": "deep_tiny", "layers": 20, "dtype": "float32"},
    "study": {
        "cycles": 15,
        "study": {
            "seconds": 300.4,
            "seconds_per_cycle": {"hooks": [20.0], "pyvene": [21.0]},
            "measured_cycles_per_tool": 1,
        },
        "suite": {"seconds": 12.04},
        "ratio": 24.95,
        "exact": {"equal": True, "equal_rows": {"hooks": 4, "pyvene": 4}, "rows": 4},
    },
    "loading": {"reading": {"ended": 10.0}, "first_check": {"checked": 12.5}, "ratio": 1.25},
    "growth": {
        "tools": {"sizes": [1, 2, 3], "tokens": [10, 20, 30], "exponent": 1.0, "steepening": 1.0, "seconds": [1, 1, 1]},
        "workers": {"sizes": [1, 2], "seconds": [30.2, 16.9], "exponent": -0.84, "steepening": 1.0},
    },
}
TABLES = """\
| machine and model | the study's way | the suite's way | ratio | same tokens | first check / reading |
| --- | --- | --- | --- | --- | --- |
| cpu: 2 cores, load 1-3, torch 2.13.0, transformers 5.23.0, 2026-01-02; deep_tiny, 20 blocks | 300 s (2 of 15 cycles \
measured) | 12.0 s | 24.9 | yes, 8 of 8 answers | 12.5 s / 10.0 s = 1.25 |

| axis | sizes | tokens computed | exponent | steepening |
| --- | --- | --- | --- | --- |
| tools | 1, 2, 3 | 10, 20, 30 | 1.00 | 1.00 |
| workers | 1, 2 | 30 s, 17 s | -0.84 |  |
"""


@pytest.fixture
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def comparison(tmp_path: Path, one_thread: None) -> Comparison:
    request, prompts = deep_tiny(tmp_path / "deep", 3), read_prompts(PROMPTS)
    settings = replace(resolve(request.spec, read_presets(PRESETS)["as_run"]), max_new_tokens=NEW_TOKENS)
    prompts = replace(prompts, evaluation=prompts.evaluation[:3])
    return Comparison(request, settings, prompts, prompts_alone=2, exact_prompts=2, tools=("hooks", "pyvene"))


def test_both_ways_give_the_same_tokens(comparison: Comparison) -> None:
    result = comparison.run()

    assert result["exact"] == {
        **{"equal": True, "directions": [True, True], "equal_rows": {"hooks": 2, "pyvene": 2}},
        **{"rows": 2, "distinct_answers": 3},
    }
    assert result["cycles"] == 10
    assert result["ratio"] == pytest.approx(result["study"]["seconds"] / result["suite"]["seconds"])
    assert result["study"]["multiplied_to"] == "5 cycles per tool of 3 prompts"


@pytest.mark.parametrize("part", ["answer", "direction", "all alike", "nothing"])
def test_another_answer_or_direction_is_not_equal_nor_are_answers_all_alike(
    comparison: Comparison, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, direction = torch.tensor([[1, 2, 3], [4, 5, 6], [7, 8, 9]]), torch.tensor([1.0, 2.0])
    if part == "all alike":
        answers = answers[:1].expand(3, 3)
    altered = {"answer": answers[0].flip(0), "direction": direction + 1e-7}

    class AtWork:
        def cycles(self, *arguments: Any) -> Cycles:
            cells = [("hooks", 0), ("pyvene", 0)]
            return Cycles(dict.fromkeys(cells, direction), dict.fromkeys(cells, answers), {})

    def cycle(request: Any, tool: Any, *arguments: Any) -> Cycle:
        first = altered["answer"] if part == "answer" and tool.name == "pyvene" else answers[0]
        own = altered["direction"] if part == "direction" and tool.name == "pyvene" else direction
        return Cycle(own, [first, answers[1]], {})

    monkeypatch.setattr(against_study, "study_cycle", cycle)

    assert comparison._exact(AtWork(), Path())["equal"] is (part == "nothing")


ROW = torch.tensor([5, 6, 1, 0, 0])


@pytest.mark.parametrize(
    ("answer", "count"), [([5, 6, 1], 1), ([5, 6, 1, 0, 0], 1), ([5, 7, 1], 0), ([5, 6], 0), ([5, 6, 1, 0, 0, 0], 0)]
)
def test_a_row_is_an_answer_and_its_padding(answer: list[int], count: int) -> None:
    assert equal_rows([torch.tensor(answer)], ROW[None]) == count


def test_a_deep_checkpoint_has_its_blocks_and_says_that_it_is_random(tmp_path: Path, one_thread: None) -> None:
    model = deep_tiny(tmp_path, 5).load()

    assert len(model.blocks) == 5
    assert is_marked_random(tmp_path)


@pytest.mark.parametrize("axis", growth.SIZES)
def test_work_is_a_straight_line_on_every_axis(axis: str, tmp_path: Path, one_thread: None) -> None:
    base = growth.Size(prompts=4, layers=2, tools=1, repeats=1)

    works = [growth.work_at(base.at(axis, size), tmp_path / str(size))[0] for size in (1, 2, 3)]

    tokens, forwards = [work.tokens for work in works], [work.forwards for work in works]
    assert tokens[2] - tokens[1] == tokens[1] - tokens[0] > 0
    assert forwards[2] - forwards[1] == forwards[1] - forwards[0]


def test_a_run_ends_after_its_first_check_and_says_when_that_was(runs: ForkedRuns, tmp_path: Path) -> None:
    times = tmp_path / "times.json"
    arguments = ["parity", "-m", "tiny_qwen2", "-k", "test_location", "--tools", "hooks", "-p", first_check.__name__]
    arguments += ["--run-dir", str(tmp_path / "run")]
    runs.run(*arguments, log=tmp_path / "log", variables={first_check.VARIABLE: str(times)})

    moments = json.loads(times.read_text())
    assert list(moments) == ["collected", "load began", "load ended", "checked"]
    assert list(moments.values()) == sorted(moments.values())
    assert "1 passed" in (tmp_path / "log").read_text()


def test_the_tables_say_what_the_files_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cpu.json").write_text(json.dumps(RESULT))
    monkeypatch.setattr(table, "FOLDER", tmp_path)

    assert table.tables() == TABLES


def test_the_tables_of_the_readme_are_those_of_the_files() -> None:
    assert table.BEGIN + table.tables() + table.END in table.README.read_text(encoding="utf-8")


REFUSED = {
    "unknown part 'speed'": ["--parts", "study,speed"],
    "--layers is at least 1": ["--layers", "0"],
    "--exact-prompts is at least 1": ["--exact-prompts", "0"],
}


@pytest.mark.parametrize("words", REFUSED)
def test_bad_arguments_are_refused(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(["cpu", *REFUSED[words]])

    assert ended.value.code == 2
    assert words in capsys.readouterr().err


def test_a_file_that_cannot_be_written_is_refused_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "measure", lambda *_: pytest.fail("measured"))
    (tmp_path / "file").touch()

    for out in (tmp_path, tmp_path / "file" / "out.json"):
        assert command.main(["cpu", "--out", str(out)]) == 2
        assert "cannot be written" in capsys.readouterr().err


def test_a_refused_benchmark_leaves_no_empty_file(tmp_path: Path) -> None:
    assert command.main(["cpu", "--out", str(tmp_path / "out.json"), "--model", "nosuch"]) == 2
    assert not list(tmp_path.iterdir())


def test_other_tokens_end_with_status_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out.json"
    for equal, status in ((True, 0), (False, 1)):
        monkeypatch.setattr(command, "measure", lambda *_, equal=equal: iter([{"study": {"exact": {"equal": equal}}}]))

        assert command.main(["cpu", "--out", str(out)]) == status
        assert json.loads(out.read_text())["study"]["exact"]["equal"] is equal


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
@pytest.mark.parametrize("device", ["cuda:0", "tpu"])
def test_a_device_that_is_not_there_is_one_line_before_any_work(
    device: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["x", "--device", device, "--out", str(tmp_path / "x.json")]) == 2
    assert f"error: --device {device}: no such device here" in capsys.readouterr().err
