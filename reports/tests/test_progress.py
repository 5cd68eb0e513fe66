"""Progress: one line that is overwritten on a terminal, one line a minute elsewhere."""

from argparse import Namespace
from collections.abc import Iterator
from io import StringIO
from typing import Any, cast

import pytest

from reports.ledger import Ledger
from reports.progress import EVERY, SILENT, Progress
from reports.worker_activity import WorkerActivity
from steering_core.activity import activity
from steering_core.records.record import Cell, Plan, Record
from steering_core.records.wire import as_property

CELLS = tuple(Cell(clause="P1", model="tiny_qwen2", tool=tool) for tool in ("hooks", "nnsight", "pyvene"))
PLAN = Plan(models=("tiny_qwen2",), tools=("hooks",), repeats=5, preset="fixture", planned=CELLS)
NODE = "parity/test_x.py::test_location[tiny_qwen2-hooks]"


class Line:
    """The part of pytest's terminal writer that Progress uses: a line on which seven characters were written."""

    fullwidth = 50
    _current_line = "a.py ..."[:7]
    ended = 0

    @property
    def width_of_current_line(self) -> int:
        return len(self._current_line)

    def line(self) -> None:
        self.ended += 1


class Reporter:
    """The part of pytest's reporter that Progress uses."""

    def __init__(self, isatty: bool) -> None:
        self.isatty, self.lines = isatty, list[str]()
        self._tw = Line()
        self.currentfspath: object = "parity/test_x.py"

    def write_line(self, line: str) -> None:
        self.lines.append(line)


class Clock:
    """A clock that the test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def progress(
    reporter: Reporter | None,
    clock: Clock,
    plan: Plan | None = PLAN,
    capture: str = "fd",
    workers: WorkerActivity | None = None,
) -> Progress:
    plugins = Namespace(get_plugin=lambda name: reporter)
    config = Namespace(pluginmanager=plugins, getoption={"capture": capture}.__getitem__)
    outlook = Namespace(seconds_left=lambda: 840.0, announcement=lambda: ["estimate: much"])
    ledger = Namespace(config=config, plan=plan, records={CELLS[0]: Record(cell=CELLS[0])}, outlook=outlook)
    return Progress(cast("Ledger", ledger), workers or WorkerActivity(), clock)


def through(hook: Iterator[Any]) -> None:
    """Run a hook wrapper as pluggy does."""
    next(hook)
    with pytest.raises(StopIteration):
        next(hook)


def test_non_tty_progress_once_per_minute() -> None:
    reporter, clock = Reporter(isatty=False), Clock()
    shown = progress(reporter, clock)
    for clock.now in (0.0, EVERY - 1, EVERY, EVERY + 30, 2 * EVERY):
        through(shown.pytest_runtest_logstart(NODE))

    line = ["1/3 checks done, about 14 min left; now", "test_location[tiny_qwen2-hooks]"]
    assert reporter.lines == ["estimate: much", *line, *line], "wrapped between words"


def test_a_model_that_no_cell_was_measured_on_is_being_loaded() -> None:
    shown = progress(Reporter(isatty=False), Clock())
    through(shown.pytest_runtest_logstart(NODE))
    assert "now test_location[" in shown.text()
    shown.ledger.records.clear()
    assert "; now loading tiny_qwen2 or at the first checks: test_location[" in shown.text()


def test_only_planned_cells_are_counted() -> None:
    shown = progress(Reporter(isatty=False), Clock())
    other = Cell(clause="V1", model="tiny_qwen2")
    shown.ledger.records[other] = Record(cell=other)
    assert shown.text().startswith("1/3 checks")


def ended(nodeid: str, *properties: tuple[str, str]) -> pytest.TestReport:
    return cast("pytest.TestReport", Namespace(when="teardown", nodeid=nodeid, user_properties=list(properties)))


def test_tests_of_the_suite_itself_are_no_checks() -> None:
    """In a session of both, the line counts tests, and says how many of them are checks."""
    shown = progress(Reporter(isatty=False), Clock())
    shown.pytest_sessionstart(cast("pytest.Session", Namespace(testscollected=20)))
    through(shown.pytest_runtest_logreport(ended(NODE, as_property(Record(cell=CELLS[0])))))
    assert shown.text() == "1/3 checks done, about 14 min left"
    through(shown.pytest_runtest_logreport(ended("steering_core/tests/test_y.py::test_other")))
    assert shown.text() == "2/20 tests done (1/3 checks, about 14 min left for these)"
    shown.ledger.records.update({cell: Record(cell=cell) for cell in CELLS})
    assert shown.text() == "2/20 tests done (3/3 checks)"


def test_a_long_silence_is_broken_and_a_short_one_is_not() -> None:
    clock = Clock()
    shown = progress(Reporter(isatty=False), clock)
    through(shown.pytest_runtest_logstart(NODE))
    clock.now = SILENT - 1
    assert shown.still() is None
    clock.now = SILENT
    assert shown.still() == "1/3 checks done, about 14 min left; now test_location[tiny_qwen2-hooks], 9 s so far"
    through(shown.pytest_runtest_logreport(ended(NODE)))
    clock.now = 9 * SILENT
    assert shown.still() is None, "nothing runs"


def test_what_takes_long_before_the_first_check_and_after_the_last_is_told() -> None:
    clock = Clock()
    shown = progress(None, clock, plan=None)
    clock.now = SILENT
    assert shown.still() is None, "nothing says that it is being done"
    with activity("downloading owner/model", 4_000_000_000, lambda: 1_000_000_000):
        assert shown.still() == "downloading owner/model: 1.0 of 4.0 GB (25 %), 9 s so far"
        shown.running[NODE] = None
        assert shown.still() is None, "a test of the suite itself"
    stream = StringIO()
    shown.say("trying tool x", stream.write)
    assert stream.getvalue() == "trying tool x\n"


def test_a_line_says_how_much_of_a_model_is_loaded() -> None:
    shown = progress(Reporter(isatty=False), Clock())
    through(shown.pytest_runtest_logstart(NODE))
    with activity("loading big", 4_000_000_000) as loading:
        loading.done = 1_000_000_000
        assert shown.text().endswith("; now loading big: 1.0 of 4.0 GB (25 %) for test_location[tiny_qwen2-hooks]")


def test_a_line_while_a_check_runs_begins_and_ends_a_line_of_its_own() -> None:
    reporter, stream = Reporter(isatty=False), StringIO()
    progress(reporter, Clock()).say("2/3 checks", stream.write)
    progress(reporter, Clock()).say("still 2/3 checks", stream.write)
    assert stream.getvalue() == "\n2/3 checks\nstill 2/3 checks\n"
    assert reporter.currentfspath is None, "the next result begins a line of its own"


def test_a_line_of_progress_follows_results_on_a_line_of_its_own() -> None:
    """After a line that broke a silence, pytest writes the next result without the name of a file before it."""
    reporter, clock = Reporter(isatty=False), Clock()
    shown = progress(reporter, clock)
    shown.say("still 1/3 checks", StringIO().write)
    through(shown.pytest_runtest_logstart(NODE))
    assert reporter._tw.ended == 0, "nothing was written since"
    reporter._tw._current_line, clock.now = ".", EVERY
    through(shown.pytest_runtest_logstart(NODE))
    assert reporter._tw.ended == 1


def test_finished_test_leaves_the_line() -> None:
    shown = progress(Reporter(isatty=False), Clock())
    through(shown.pytest_runtest_logstart(NODE))
    for when in ("setup", "call"):
        through(
            shown.pytest_runtest_logreport(
                cast("pytest.TestReport", Namespace(when=when, nodeid=NODE, user_properties=[]))
            )
        )
        assert "now test_location" in shown.text()
    through(shown.pytest_runtest_logreport(ended(NODE)))
    assert shown.text() == "1/3 checks done, about 14 min left"


def test_tty_progress_overwrites_the_line_below(capsys: pytest.CaptureFixture[str]) -> None:
    reporter = Reporter(isatty=True)
    shown = progress(reporter, Clock())
    shown.announced = True
    through(shown.pytest_runtest_logstart(NODE))
    drawn = capsys.readouterr().out
    shown.pytest_sessionfinish()

    back = "\x1b[K\x1b[1A\x1b[8G"
    assert drawn == f"\n1/3 checks done, about 14 min left{back}", "cut between words"
    assert capsys.readouterr().out == f"\n{back}"
    assert reporter.lines == []


@pytest.mark.parametrize(
    ("reporter", "plan", "capture"), [(None, PLAN, "fd"), (Reporter(True), None, "fd"), (Reporter(True), PLAN, "no")]
)
def test_nothing_is_drawn_without_reporter_plan_or_capture(
    reporter: Reporter | None, plan: Plan | None, capture: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = progress(reporter, Clock(), plan, capture)
    through(shown.pytest_runtest_logstart(NODE))
    shown.pytest_sessionfinish()

    assert capsys.readouterr().out == ""
