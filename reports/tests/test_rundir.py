"""Which directory a run goes to, and which are refused."""

from argparse import Namespace
from pathlib import Path
from typing import Any, cast

import pytest

from reports.run.directory import choose_run_dir
from reports.workers import listen, tell
from steering_core.errors import UsageProblem


class Config:
    """The part of pytest's config that is asked for options."""

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


def test_a_run_without_a_name_goes_under_runs_and_makes_nothing() -> None:
    folder = Path(chosen().run_dir)
    assert folder.parent.name == "runs"
    assert not folder.exists()


def test_a_resumed_run_stays_where_it_is(begun: Path) -> None:
    found = chosen(resume=str(begun))
    assert (found.run_dir, found.resume) == (str(begun), str(begun))
    assert chosen(resume=str(begun), run_dir=str(begun)).run_dir == str(begun)


def test_a_directory_with_a_run_in_it_is_refused(begun: Path) -> None:
    with pytest.raises(UsageProblem, match="holds a run that did not end.*--resume it"):
        chosen(run_dir=str(begun))
    (begun / "records.jsonl").write_text("")
    with pytest.raises(UsageProblem, match="already holds a run.*--resume it"):
        chosen(run_dir=str(begun))


def test_what_had_not_begun_cannot_be_resumed(tmp_path: Path, begun: Path) -> None:
    with pytest.raises(UsageProblem, match=r"no plan.json there \(resume\)"):
        chosen(resume=str(tmp_path / "nowhere"))
    (begun / "request.json").unlink()
    with pytest.raises(UsageProblem, match=r"no request.json there \(resume\)"):
        chosen(resume=str(begun))


def test_two_directories_for_one_run_are_refused(tmp_path: Path, begun: Path) -> None:
    with pytest.raises(UsageProblem, match="give --resume alone"):
        chosen(resume=str(begun), run_dir=str(tmp_path / "other"))


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageProblem, match="is not a directory"):
        chosen(run_dir=str(tmp_path / "file"))


def test_workers_are_told_what_the_controller_completed() -> None:
    controller, worker = Config(run_dir="/a", journal_lines=3), Config(resume="relative")
    node = Namespace(workerinput={}, config=controller)
    tell(node)
    worker.workerinput = node.workerinput  # type: ignore[attr-defined]
    listen(cast("pytest.Config", worker))

    assert (worker.option.run_dir, worker.option.journal_lines, worker.option.resume) == ("/a", 3, None)
