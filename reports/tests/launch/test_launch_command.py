"""`python -m reports.launch`: help, dry run, and input that is refused."""

from pathlib import Path

import pytest

from reports.launch.__main__ import main

TINY = ["parity", "-m", "tiny_qwen2 or tiny_gemma2", "-k", "preflight", "--programs", "2"]


def refusal(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The one line with which a command line is refused."""
    assert main(words) == 2
    out, error = capsys.readouterr()
    assert (out, error.count("\n")) == ("", 1), error
    return error.removeprefix("error: ")


def test_help_shows_options_statuses_and_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    text = capsys.readouterr().out
    assert text.startswith("usage: python -m reports.launch [OPTIONS] -- [OPTIONS OF PYTEST]\n")
    assert all(word in text for word in ("--address A", "--resume DIR", "130  interrupted", "examples:"))
    assert max(map(len, text.splitlines())) <= 120


def test_a_dry_run_prints_each_shard_with_its_command_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    assert main(["--dry-run", "--run-dir", str(folder), "--", *TINY]) == 0

    lines = capsys.readouterr().out.splitlines()
    head, *rest = (line.strip() for line in lines)
    assert head.startswith("2 shards, ")
    assert head.endswith(f"on 1 at a time; {folder}")
    assert [line.partition(":")[0] for line in rest[::2]] == ["tiny_qwen2", "tiny_gemma2"]
    assert rest[3].endswith("-k preflight --programs 2 -m '(tiny_qwen2 or tiny_gemma2) and tiny_gemma2'")
    assert not folder.exists()


def test_a_dry_run_divides_by_tool_where_places_would_be_idle(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["parity", "-m", "tiny_qwen2", "-k", "preflight_site"]
    assert main(["--dry-run", "--jobs", "2", "--", *words, "--tools", "hooks,nnsight"]) == 0
    assert "  tiny_qwen2-nnsight: 8 checks" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--", "parity", "-m", "qwen7"], "pytest: -m names 'qwen7' (unknown-model); known: "),
        (["--", "parity", "--nosuch"], "pytest: unrecognized arguments: --nosuch (launch-collect)"),
        (["--", "parity", "-m", "tiny_qwen2", "-k", "nothing"], "these options select no checks (launch-empty)"),
        (["--", "parity", "--run-dir", "x"], "--run-dir cannot be passed to shards (launch-option); give --run-dir"),
        (["--", "parity", "-m", "tiny_qwen2", "--gpu"], "there is no GPU for --gpu (launch-gpu)"),
        (["--expect-outcome", "9", "--", "parity"], "unknown conclusion '9'"),
        (["--resume", "/nowhere"], "--resume /nowhere: no launch.json can be read there (launch-resume)"),
        (["--resume", "/nowhere", "--", "parity"], "--resume takes neither --run-dir nor options of pytest"),
    ],
)
def test_bad_input_is_one_line(
    words: list[str], sentence: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert refusal(capsys, *words).startswith(sentence)


def test_a_directory_that_is_taken_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "something").touch()
    assert main(["--run-dir", str(tmp_path), "--", *TINY]) == 2
    assert "already holds something (run-dir)" in capsys.readouterr().err


def test_without_ray_an_address_says_how_to_get_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    sentence = "--address needs Ray, which is not installed (ray); pip install 'steering-parity[ray]'"
    assert refusal(capsys, "--address", "auto", "--", *TINY).startswith(sentence)
