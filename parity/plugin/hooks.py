"""pytest hooks of the measuring side: options, parametrization, order, gate, and one record per check."""

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from parity.plugin.ahead import STEP
from parity.plugin.cells import parameters, register_markers
from parity.plugin.check_records import draft_of, finish, recording
from parity.plugin.conducting import conducting
from parity.plugin.context import CONTEXT
from parity.plugin.following import check_sweep_options, widen
from parity.plugin.gate import block, remember
from parity.plugin.on_request import PARITY, ROOMS, asks_for, check_finding_options
from parity.plugin.planning import arrange
from parity.plugin.request.clauses import with_clauses
from parity.plugin.request.options import add_options
from parity.plugin.request.restored import restore_options
from parity.plugin.request.resume import settle_request
from parity.plugin.request.run_matrix import build_run_matrix
from parity.plugin.request.tool_trial import try_tools
from parity.plugin.request.weights import check_sources, gigabytes
from parity.plugin.session_state import FAILED, MATRIX, PASSED, TO_RUN
from parity.plugin.tool_processes import end_servers, share_servers
from steering_core.errors import SuiteError
from steering_core.measure.sweep_plan import read_sweeps
from steering_core.records.record import Outcome
from steering_core.records.wire import records_in


def pytest_addoption(parser: pytest.Parser) -> None:
    """Called once, before the command line is read."""
    add_options(parser)


@pytest.hookimpl(wrapper=True)
def pytest_cmdline_main(config: pytest.Config) -> Iterator[Any]:
    """Called around the whole session, before it is configured: --resume alone brings back the run's own options."""
    restore_options(config)
    return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Called once the options are known: refuses bad ones, registers a marker per model and family."""
    option = config.option
    try:
        read_sweeps()
        option.markexpr, option.keyword = with_clauses(option.markexpr, option.keyword, option.clauses)
        matrix = build_run_matrix(config.option)
        if not hasattr(config, "workerinput"):
            share_servers(config, matrix)
            if not config.getoption("collectonly"):
                try_tools(
                    matrix.tools, matrix.pythons, config.getoption("tool_timeout"), config.getoption("in_process")
                )
            check_sources(matrix, config.option)
        config.option.weights_gb = gigabytes(matrix, config.option)
        settle_request(config, matrix)
        widen(config)
        check_sweep_options(config, matrix)
        check_finding_options(config, matrix)
    except (SuiteError, OSError) as problem:  # OSError: a path that is too long, or leads in a circle
        raise pytest.UsageError(str(problem)) from None
    config.stash[MATRIX] = matrix
    config.stash[FAILED] = {}
    config.stash[PASSED] = set()
    register_markers(config, matrix)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Called by xdist on the controller, once: who decides which worker runs what."""
    from parity.plugin.xdist_scheduling import ModelScheduling

    return ModelScheduling(config, log, config.stash[MATRIX].registry)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Called per file and folder: sweeps and findings are collected only when a marker or their path asks for them."""
    is_room = collection_path.parent == PARITY and collection_path.name in ROOMS
    return True if is_room and not asks_for(config, collection_path.name) else None


def pytest_itemcollected(item: pytest.Item) -> None:
    """Called per check: its clause is a mark too, so that `-m P1` selects it."""
    if marker := item.get_closest_marker("clause"):
        item.add_marker(marker.args[0])


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Called per test function: models x tools (or pairs of tools) x arms x repeats."""
    if "model_cache" not in metafunc.fixturenames:
        return  # a test of something else, whose arguments are its own
    for name, values in parameters(metafunc, metafunc.config.stash[MATRIX]).items():
        metafunc.parametrize(name, values)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Iterator[None]:
    """Called after collection: around every other plugin's deselection, so that the full matrix is known."""
    everything = list(items)
    yield
    arrange(config, items, everything)
    if not config.stash[TO_RUN]:
        end_servers(config)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Called before a check's fixtures: a failed preflight of its model blocks it, with the reason named."""
    block(item)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> object:
    """Called for the check itself: writes its outcome, and turns a check that compared nothing into an error; asks first
    whether the tools offer what it needs. A check that has been run already only ends here as it did."""
    __tracebackhide__ = True
    record, context = draft_of(pyfuncitem), pyfuncitem.stash.get(CONTEXT, None)
    if record is None:
        return None
    if step := pyfuncitem.stash.get(STEP, None):
        if step.error:
            raise step.error
        return True
    with recording(record), conducting(context) if context else nullcontext():
        pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames})
    return True


@pytest.hookimpl(tryfirst=True)
def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    """Called for the letter and the word of a result: what is not offered is not skipped."""
    if report.skipped and any(record.outcome is Outcome.NOT_OFFERED for record in records_in(report)):
        return "not offered", "o", "NOT OFFERED"
    return None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> Iterator[Any]:
    """Called after each phase: the finished record travels in user_properties, from workers too."""
    if record := finish(item, call):
        remember(item.config, record)
    return (yield)
