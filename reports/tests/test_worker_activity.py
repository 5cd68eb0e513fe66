"""What workers are busy with reaches the process that reports."""

import threading
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from reports import worker_activity
from reports.tests.test_progress import NODE, Clock, Reporter, progress, through
from reports.worker_activity import WorkerActivity, write_changes
from steering_core.activity import activity

LOADING = "loading big: 1.0 of 4.0 GB (25 %)"


def once(happens: Callable[[], bool], ended: threading.Event) -> bool:
    """Whether it happens at last."""
    return any(happens() or ended.wait(0.01) for _ in range(3000))


def test_a_worker_writes_what_it_is_busy_with_and_forgets_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_activity, "SECONDS", 0.01)
    ended, told, seen = threading.Event(), WorkerActivity(tmp_path), list[object]()
    writer = threading.Thread(target=write_changes, args=(tmp_path / "gw0", ended), daemon=True)
    writer.start()
    with activity("loading big", 4_000_000_000, lambda: 1_000_000_000):
        seen.append(once(lambda: bool(str(told)), ended) and str(told))
    assert once(lambda: not str(told), ended)
    ended.set()
    writer.join()

    assert seen == [f"{LOADING} in gw0"]


def test_the_controller_lists_its_workers_until_they_end(tmp_path: Path) -> None:
    told = WorkerActivity(tmp_path)
    for number, text in enumerate((LOADING, "", "loading a", "loading b")):
        (tmp_path / f"gw{number}").write_text(text)
    (tmp_path / ".gw0").write_text("half a li")

    assert str(told) == f"{LOADING} in gw0, loading a in gw2 and 1 more"
    told.pytest_testnodedown(Namespace(gateway=Namespace(id="gw0")))
    assert str(told) == "loading a in gw2, loading b in gw3"
    assert str(WorkerActivity()) == str(WorkerActivity(tmp_path / "gone")) == ""


def test_the_line_of_progress_says_what_the_workers_load(tmp_path: Path) -> None:
    shown = progress(Reporter(isatty=False), clock := Clock(), workers=WorkerActivity(tmp_path))
    clock.now = 9.0
    assert shown.still() is None
    (tmp_path / "gw1").write_text(LOADING)
    assert shown.still() == f"{LOADING} in gw1, 9 s so far"
    through(shown.pytest_runtest_logstart(NODE))
    assert shown.text().endswith(f"; now {LOADING} in gw1; test_location[tiny_qwen2-hooks]")


def test_the_files_of_a_run_that_was_killed_are_gone_when_it_is_continued(tmp_path: Path) -> None:
    told = WorkerActivity(tmp_path / ".activity")
    told.pytest_unconfigure()
    config = Namespace(invocation_params=pytest.Config.InvocationParams(args=(), plugins=None, dir=Path()))
    for _ in range(2):
        told.pytest_xdist_setupnodes(cast("pytest.Config", config))
        assert list((tmp_path / ".activity").iterdir()) == []
        (tmp_path / ".activity" / "gw0").write_text(LOADING)
    told.pytest_unconfigure()
    assert list(tmp_path.iterdir()) == []


def test_workers_read_the_path_of_an_option_as_its_value() -> None:
    """Without tests on the command line, an existing directory after --run-dir would be searched for a configuration."""
    given = pytest.Config.InvocationParams(
        args=("-k", "P1", "--run-dir", "/a", "--resume=/b"), plugins=None, dir=Path()
    )
    config = Namespace(invocation_params=given)
    WorkerActivity().pytest_xdist_setupnodes(cast("pytest.Config", config))
    assert config.invocation_params.args == ("-k", "P1", "--run-dir=/a", "--resume=/b")
