"""Each tool from outside the suite is made once before anything else: one that cannot be is refused in one line."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager

from steering_core.activity import activity
from steering_core.errors import RaisedByTool, SuiteError, UsageProblem, first_line
from steering_core.hosts.starting import Programs, Starter, default_starter
from steering_core.hosts.suite_functions import SUITE, problem_of
from steering_core.tools.spec import BUILT_IN, ToolSpec


def try_tools(tools: Sequence[str], pythons: Mapping[str, str], timeout: float, in_process: bool) -> None:
    """UsageProblem for the first tool whose module, class or constructor is wrong, tried where it will live."""
    specs = [spec for spec in map(ToolSpec.parse, tools) if spec.text not in BUILT_IN]
    for spec in specs:
        try:
            with activity(f"trying tool {_printable(spec.text)}"):
                _construct(spec) if in_process else _describe(spec, pythons.get(spec.label, ""), timeout)
        except SuiteError as problem:
            raise UsageProblem(problem.code, _printable(problem.sentence), _printable(problem.hint)) from None
        except RaisedByTool as error:
            sentence = _printable(f"tool {spec.text} cannot say what it is: {first_line(error)}")
            raise UsageProblem("tool-construction", sentence, "version() and the class itself must not raise") from None


def _construct(spec: ToolSpec) -> None:
    """Import and make the tool in this process, which must stay as it was."""
    SUITE.remember()
    spec.construct()
    if replaced := SUITE.restore():
        raise UsageProblem(**problem_of(spec.label, replaced))


def _describe(spec: ToolSpec, python: str, timeout: float) -> None:
    """Version and methods of the tool, asked of a process of its own, which then ends."""
    from steering_core.hosts.hosted_tool import value_of
    from steering_core.hosts.process import ToolProcess

    with _starter(python) as starter, closing(ToolProcess(starter, spec.text, spec.label, timeout)) as process:
        value_of(process.ask({"do": "describe"}))


@contextmanager
def _starter(python: str) -> Iterator[Starter]:
    with closing(Programs(python) if python else default_starter()) as starter:
        yield starter


def _printable(text: str) -> str:
    """A tool's own words cannot move the cursor."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)[:1000]
