"""A resumed run must make the same request: what is compared, and how a difference is named."""

import json
from argparse import Namespace
from pathlib import Path
from typing import cast

import pytest

from parity.meta.command_line import options
from parity.plugin.request.options import OPTIONS, add_options, typed_options
from parity.plugin.request.restored import restore_options
from parity.plugin.request.resume import PLACES, check_request, paths, suite_digest, weights_sample
from steering_core.errors import UsageProblem
from steering_core.places import ROOT

THEN = {"tools": "hooks, nnsight", "repeats": "5", "command": "pytest parity -q"}


def folder_with(folder: Path, request: object) -> Path:
    (folder / "request.json").write_text(json.dumps(request))
    return folder


def test_the_same_request_is_accepted_with_options_in_another_order(tmp_path: Path) -> None:
    check_request({**THEN, "command": "pytest -q parity"}, folder_with(tmp_path, THEN))


def test_each_difference_is_named_with_the_original_command(tmp_path: Path) -> None:
    now = {**THEN, "tools": "hooks", "--quantize": "int8"}

    with pytest.raises(UsageProblem) as caught:
        check_request(now, folder_with(tmp_path, THEN))
    assert "tools was hooks, nnsight, is hooks; --quantize was absent, is int8 (resume-differs)" in str(caught.value)
    assert str(caught.value).endswith("it was started with: pytest parity -q")


def test_many_differences_are_shortened_to_one_line(tmp_path: Path) -> None:
    now = {**THEN, **{f"setting {number}": "x" * 500 for number in range(9)}}

    with pytest.raises(UsageProblem, match="and 5 more") as caught:
        check_request(now, folder_with(tmp_path, THEN))
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("content", ["", "{"])
def test_an_unreadable_request_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "request.json").write_text(content)

    with pytest.raises(UsageProblem, match=r"request.json cannot be read: Expecting .* \(resume-request\)"):
        check_request(THEN, tmp_path)


def test_every_option_that_affects_measurements_is_compared() -> None:
    class Parser:
        """Lists the options that are added."""

        names: list[str] = []  # noqa: RUF012

        def getgroup(self, *_: str) -> "Parser":
            return self

        def addoption(self, name: str, **_: object) -> None:
            self.names.append(name)

    add_options(Parser())
    assert [flag for flag, _, _ in OPTIONS] == Parser.names
    assert set([flag for flag, _, _ in OPTIONS]) > PLACES | {"--no-gate", "--repeats", "--dtype"}


@pytest.mark.parametrize("position", [0, 100_000, 199_999])
def test_a_changed_byte_in_the_weights_changes_the_sample(position: int, tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(bytes(200_000))
    before = weights_sample(str(tmp_path))
    changed = bytearray(200_000)
    changed[position] = 1
    file.write_bytes(changed)

    assert weights_sample(str(tmp_path)) != before
    assert weights_sample("org/model") == "org/model"


def test_paths_do_not_depend_on_the_working_directory(tmp_path: Path) -> None:
    def paths_from(directory: Path, *arguments: str, pyargs: bool = False) -> list[str]:
        named = Namespace(args=arguments, option=Namespace(pyargs=pyargs), rootpath=tmp_path)
        config = Namespace(**vars(named), invocation_params=Namespace(dir=directory))
        return paths(cast("pytest.Config", config))

    expected = ["parity", "parity/a.py::test_b[x]"]
    assert paths_from(tmp_path, "parity/", "parity/a.py::test_b[x]") == expected
    assert paths_from(tmp_path / "parity", "a.py::test_b[x]", ".") == expected
    assert paths_from(tmp_path, str(ROOT / "parity"), str(ROOT / "parity/a.py::test_b[x]")) == expected
    modules = (f"{ROOT.name}.parity", f"{ROOT.name}.parity.test_steering::test_b[x]")
    assert paths_from(tmp_path, *modules, pyargs=True) == ["parity", "parity/test_steering.py::test_b[x]"]


def test_a_changed_check_changes_the_digest_of_the_suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "parity").mkdir()
    check = tmp_path / "parity" / "test_x.py"
    check.write_text("one")
    monkeypatch.setattr("parity.plugin.request.resume.ROOT", tmp_path)
    before = suite_digest()
    check.write_text("two")

    assert suite_digest() != before


def test_a_plan_keeps_the_options_that_repeating_a_check_needs() -> None:
    def planned(**changed: object) -> tuple[tuple[str, str], ...]:
        return typed_options(vars(options(**changed)).__getitem__)

    tools = (("--tool", "a.py:A"), ("--tool", "b.py:B"))
    assert planned(exact=True) == (("--exact", ""),)
    assert planned() == planned(gpu=True, dtype="bfloat16", preset="phase1", no_gate=True, in_process=True) == ()
    assert planned(tool=["a.py:A", "b.py:B"], layer=0, batch_size=7) == (
        ("--batch-size", "7"),
        ("--layer", "0"),
        *tools,
    )


class TestResumeAlone:
    """`--resume DIR` brings back the options of the run; a command that names options of its own is only compared."""

    STARTED = "pytest parity -k preflight -m tiny_qwen2 --tools hooks --tool a.py:A --repeats 2 --run-dir old -v"

    @staticmethod
    def resumed(folder: Path, pytestconfig: pytest.Config, *more: str) -> Namespace:
        """A session that resumes the run in a folder, after its options were restored."""
        folder_with(folder, {"command": TestResumeAlone.STARTED, "paths": "parity/a.py, parity/b.py"})
        return restored(folder, pytestconfig, *more)

    def test_the_options_and_paths_of_the_run_come_back(self, tmp_path: Path, pytestconfig: pytest.Config) -> None:
        config = self.resumed(tmp_path, pytestconfig)

        option = config.option
        assert (option.keyword, option.markexpr, option.tools, option.tool) == (
            *("preflight", "tiny_qwen2", "hooks"),
            ["a.py:A"],
        )
        assert (option.repeats, option.verbose, option.resume, option.run_dir) == (2, 1, str(tmp_path), None)
        assert config.args == [str(pytestconfig.rootpath / name) for name in ("parity/a.py", "parity/b.py")]

    def test_options_that_measure_nothing_may_be_added(self, tmp_path: Path, pytestconfig: pytest.Config) -> None:
        option = self.resumed(tmp_path, pytestconfig, "-qq", "--budget-usd", "3").option

        assert (option.verbose, option.budget_usd, option.keyword) == (-2, 3.0, "preflight")

    @pytest.mark.parametrize("more", [("--repeats", "5"), ("-k", "x"), ("-m", "tiny_gemma2")])
    def test_nothing_comes_back_beside_other_options(
        self, more: tuple[str, ...], tmp_path: Path, pytestconfig: pytest.Config
    ) -> None:
        assert self.resumed(tmp_path, pytestconfig, *more).option.tools is None

    @pytest.mark.parametrize("content", [["a"], {"command": 1, "paths": 2}, {}])
    def test_a_file_that_is_no_request_is_left_alone(
        self, content: object, tmp_path: Path, pytestconfig: pytest.Config
    ) -> None:
        folder_with(tmp_path, content)

        assert restored(tmp_path, pytestconfig).option.markexpr == ""


def restored(folder: Path, pytestconfig: pytest.Config, *more: str) -> Namespace:
    """A pytest session's configuration for `parity --resume FOLDER`, with the real parser, after `restore_options`."""
    arguments = ["parity", "--resume", str(folder), *more]
    typed = pytestconfig._parser.parse_known_and_unknown_args(arguments, Namespace())[0]
    places = Namespace(args=arguments, dir=pytestconfig.rootpath)
    config = Namespace(option=typed, args=["parity"], invocation_params=places, rootpath=pytestconfig.rootpath)
    config._parser = pytestconfig._parser
    restore_options(cast("pytest.Config", config))
    return config
