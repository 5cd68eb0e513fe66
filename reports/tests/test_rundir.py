"""Where a run is written, and which directories are refused."""

from argparse import Namespace
from pathlib import Path
from typing import Any, cast

import pytest

from reports.plugin import pytest_configure, pytest_configure_node
from reports.run.directory import choose_run_dir
from steering_core.errors import UsageProblem


class Config:
    """The part of pytest's config that holds the options."""

    def __init__(self, **options: Any) -> None:
        self.option = Namespace(**{"run_dir": None, "resume": None, **options})

    def getoption(self, name: str) -> Any:
        return getattr(self.option, name)


def chosen(**options: Any) -> Namespace:
    config = Config(**options)
    choose_run_dir(cast("pytest.Config", config))
    return config.option


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    """The directory of a run that was killed."""
    for name in ("plan.json", "request.json", "journal.jsonl"):
        (tmp_path / name).write_text("{}")
    return tmp_path


def test_the_default_directory_is_below_runs_and_not_created_yet() -> None:
    folder = Path(chosen().run_dir)
    assert folder.parent.name == "runs"
    assert not folder.exists()


def test_a_resumed_run_keeps_its_directory(begun: Path) -> None:
    options = chosen(resume=str(begun))
    assert (options.run_dir, options.resume) == (str(begun), str(begun))
    assert chosen(resume=str(begun), run_dir=str(begun)).run_dir == str(begun)


def test_a_directory_that_holds_a_run_is_refused(begun: Path) -> None:
    with pytest.raises(UsageProblem, match="holds a run that did not end.*--resume it"):
        chosen(run_dir=str(begun))
    (begun / "records.jsonl").write_text("")
    with pytest.raises(UsageProblem, match="already holds a run.*--resume it"):
        chosen(run_dir=str(begun))


def test_a_run_that_was_killed_before_its_plan_leaves_a_directory_that_can_be_used(tmp_path: Path) -> None:
    for name in ("journal.jsonl", "run.lock", "request.json"):
        (tmp_path / name).write_text("")
    assert chosen(run_dir=str(tmp_path)).run_dir == str(tmp_path)
    with pytest.raises(UsageProblem, match=r"no plan.json there .*it was killed before it began: start it again there"):
        chosen(resume=str(tmp_path))


def test_a_run_that_lost_its_plan_is_neither_continued_nor_overwritten(begun: Path) -> None:
    (begun / "plan.json").unlink()
    with pytest.raises(UsageProblem, match="no plan.json there .*start again in another --run-dir"):
        chosen(resume=str(begun))
    with pytest.raises(UsageProblem, match="holds a run that did not end"):
        chosen(run_dir=str(begun))


@pytest.mark.parametrize("name", ["run_dir", "resume"])
@pytest.mark.parametrize("value", ["", " "])
def test_an_empty_name_is_no_directory(name: str, value: str) -> None:
    with pytest.raises(UsageProblem, match="names no directory"):
        chosen(**{name: value})


@pytest.mark.parametrize("name", ["n" * 300, "loop", "loop/below"])
def test_a_name_that_leads_nowhere_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(UsageProblem, match="is no usable path"):
        chosen(run_dir=str(tmp_path / name))


def test_only_a_run_with_plan_and_request_can_be_resumed(tmp_path: Path, begun: Path) -> None:
    with pytest.raises(UsageProblem, match=r"no plan.json there \(resume\)"):
        chosen(resume=str(tmp_path / "nowhere"))
    (begun / "request.json").unlink()
    with pytest.raises(UsageProblem, match=r"no request.json there \(resume\)"):
        chosen(resume=str(begun))


def test_two_directories_for_one_run_are_refused(tmp_path: Path, begun: Path) -> None:
    with pytest.raises(UsageProblem, match="give --resume alone"):
        chosen(resume=str(begun), run_dir=str(tmp_path / "other"))


def test_a_file_as_run_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageProblem, match="is not a directory"):
        chosen(run_dir=str(tmp_path / "file"))


def test_workers_take_the_options_of_the_controller() -> None:
    controller, worker = Config(run_dir="/a", journal_lines=3), Config(resume="relative")
    node = Namespace(workerinput={"workerid": "gw0"}, config=controller)
    pytest_configure_node(node)
    worker.workerinput = node.workerinput  # type: ignore[attr-defined]
    pytest_configure(worker)

    assert (worker.option.run_dir, worker.option.journal_lines, worker.option.resume) == ("/a", 3, None)
