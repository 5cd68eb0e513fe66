"""What is kept of runs makes the table that the runs make, adds up over versions, and names no folder of a machine."""

import json
import re
from pathlib import Path

import pytest

from reports.__main__ import main
from reports.compatibility.kept import SUFFIX, list_kept
from reports.compatibility.rows import build_rows
from reports.compatibility.sources import read_sources
from reports.compatibility.texts import list_badges, list_files
from reports.compatibility.view import make_view
from reports.tests.compatibility.test_table import CRASH, DEVIATION
from reports.tests.compatibility.written_runs import STACK, run, write
from reports.tests.test_page_safety import NASTY
from steering_core.errors import ArtifactProblem
from steering_core.records.record import Outcome

OLDER = STACK | {"transformers": "4.49.0"}
RUNS = (
    run("1.0", stack=OLDER, P9=DEVIATION),
    run("1.0", day=1, S7=CRASH, without=("P12",), skipped=("P3", "P7")),
    run("1.0", day=2, model="tiny_gemma2", P1=Outcome.NOT_OFFERED),
    run("1.1", day=3, S2_one={"outcome": Outcome.DIFFERS, "sentence": "off by 3"}),
    run("0.8", tool="another", model="tiny_llama"),
)


def keep(folder: Path, *paths: Path) -> Path:
    """The folder, with what is kept of these runs."""
    assert main(["compatibility", *map(str, paths), "--keep", str(folder)]) == 0
    return folder


def shown(*paths: Path) -> dict[str, str]:
    """{name: text} of everything that a table of these runs consists of, but for where its runs lie."""
    view = make_view(read_sources(paths, []))
    return {**list_files(view), **list_badges(view)}


def test_kept_results_make_the_table_of_their_runs(tmp_path: Path) -> None:
    runs = write(tmp_path / "runs", *RUNS)
    kept = keep(tmp_path / "kept", runs)
    assert len(list(kept.glob(f"*{SUFFIX}"))) == 4
    assert shown(kept) == shown(runs)


def test_a_later_run_is_added_to_what_is_kept(tmp_path: Path) -> None:
    runs = [write(tmp_path / str(number), each) for number, each in enumerate(RUNS)]
    kept = tmp_path / "kept"
    for each in runs:
        keep(kept, each)
    sources = [each for folder in runs for each in read_sources([folder], [])]
    rows = build_rows(sorted(sources, key=lambda source: source.age))
    assert {file.name: file.read_text(encoding="utf-8") for file in kept.iterdir()} == list_kept(rows)


def test_keeping_results_again_changes_nothing(tmp_path: Path) -> None:
    kept = keep(tmp_path / "kept", write(tmp_path / "runs", *RUNS))
    again = keep(tmp_path / "again", kept)
    texts = [{file.name: file.read_text(encoding="utf-8") for file in each.iterdir()} for each in (kept, again)]
    assert texts[0] == texts[1]


def test_a_result_is_the_newest_and_names_its_line(tmp_path: Path) -> None:
    runs = write(tmp_path / "runs", run(day=1, S7=CRASH), run())
    (file,) = keep(tmp_path / "kept", runs).iterdir()
    header, *checks = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    (result,) = [check["models"]["tiny_qwen2"] for check in checks if check["clause"] == "S7"]
    lines = (runs / "run-0" / "records.jsonl").read_text(encoding="utf-8").splitlines()
    assert result[2:4] == ["errored", CRASH["sentence"]]
    assert json.loads(lines[result[1] - 1])["cell"]["clause"] == "S7"
    assert header["runs"][result[0]]["name"] == "run-0"


def test_where_a_tool_s_python_lay_is_not_kept(tmp_path: Path) -> None:
    option = ("--tool-python", "probe=/home/someone/envs/repeng/bin/python")
    one = run(P9=DEVIATION)
    away = one.model_copy(update={"plan": one.plan.model_copy(update={"options": (option, ("--programs", "40"))})})
    (page, *_) = shown(keep(tmp_path / "kept", write(tmp_path / "runs", away))).values()
    assert "/home/someone" not in page
    assert "probe=stacks/repeng/bin/python" in page


@pytest.mark.parametrize("text", NASTY.values(), ids=NASTY)
def test_hostile_names_are_kept_in_files_of_plain_names(text: str, tmp_path: Path) -> None:
    text = text.encode("utf-8", "replace").decode()
    runs = write(tmp_path / "runs", run(text, tool=text, P1={"outcome": Outcome.DIFFERS, "sentence": text}))
    kept = keep(tmp_path / "kept", runs)
    (file,) = kept.iterdir()
    assert re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*", file.name)
    assert shown(kept) == shown(runs)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        (lambda lines: lines[1:], "is no file of results"),
        (lambda lines: [lines[0], lines[1].replace("[0,", "[7,", 1)], "is no file of results"),
        (lambda lines: [lines[0], lines[1].replace("[0,", "[-1,", 1)], "is no file of results"),
        (lambda lines: [*lines, "{"], "is not JSON"),
        (lambda lines: [lines[0].replace('"schema": 1', '"schema": 9')], "is no file of results"),
    ],
)
def test_a_broken_file_of_results_is_one_sentence(changed: object, sentence: str, tmp_path: Path) -> None:
    (file,) = keep(tmp_path / "kept", write(tmp_path / "runs", run())).iterdir()
    lines = file.read_text(encoding="utf-8").splitlines()
    assert callable(changed)
    file.write_text("\n".join(changed(lines)), encoding="utf-8")
    with pytest.raises(ArtifactProblem, match=sentence):
        read_sources([file], [])
    passed_over: list[str] = []
    with pytest.raises(ArtifactProblem, match="no finished run"):
        read_sources([tmp_path / "kept"], passed_over)
    assert len(passed_over) == 1
