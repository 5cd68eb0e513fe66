"""One tool in the process where it lives: its class, imported once, its objects, and the model that it works on."""

import gc
import os
import platform
import traceback
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from importlib import import_module
from importlib.metadata import version
from inspect import getfile
from pathlib import Path
from typing import Any, NoReturn

import torch

from steering_core.errors import SuiteError
from steering_core.exact import exact_arithmetic
from steering_core.hosts import gpu_memory
from steering_core.hosts.checked_tool import CheckedTool
from steering_core.hosts.hosted_tool import to_device
from steering_core.hosts.operations import OPERATIONS
from steering_core.hosts.stage import Stage
from steering_core.hosts.suite_functions import SUITE, problem_of
from steering_core.hosts.weights import adopt
from steering_core.models.compatibility import chunked_prefill_problem
from steering_core.models.model import LoadedModel, LoadRequest
from steering_core.models.shared_copy import sharing_copy
from steering_core.models.sites import Site
from steering_core.observe.forward_trace import make_traceable
from steering_core.observe.liveness import library_files
from steering_core.observe.model_state import process_baseline, process_changed
from steering_core.tools.actions import Action
from steering_core.tools.contract import Storages
from steering_core.tools.deviations import read_deviations
from steering_core.tools.offers import Offers, answer_of, every_pair, offers_of
from steering_core.tools.origin import describe_tool
from steering_core.tools.spec import ToolSpec
from steering_core.tools.tool import Tool

METHODS = ("read", "generate", "direction")
"""What a tool may have; the judging process knows by it what to ask for."""
LIBRARIES = ("torch", "transformers", "numpy")
"""Whose versions a record names for a tool that lives in another interpreter."""
LONGEST = 2000
"""Characters of an exception's message that are passed on."""


class Session:
    """Answers requests, each a dict with `do` and arguments, with a dict of plain data and tensors."""

    def __init__(self, text: str) -> None:
        self.spec = ToolSpec.parse(text)
        self.kind: Any = None
        self.objects: dict[int, Tool] = {}
        self.stage: Stage | None = None
        self.storages = Storages()
        self.arithmetic = ExitStack()
        self.replaced: dict[str, None] = {}

    def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """{"value": ...}, or what went wrong; nothing that a tool raises gets out. A tool that has replaced functions of
        the suite gets no other answer than that."""
        SUITE.remember()
        answer = self.attempt(dict(request))
        self.replaced |= dict.fromkeys(SUITE.restore())
        if not self.replaced:
            return answer
        return {"problem": "SuiteError", **problem_of(self.spec.label, self.replaced)}

    def attempt(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """The answer to a request, whatever the tool has done to the suite."""
        try:
            value = getattr(self, f"do_{arguments.pop('do')}")(**arguments)
            return {"value": value, "peak": gpu_memory.peak()}
        except SuiteError as problem:
            words = {"code": problem.code, "sentence": problem.sentence, "hint": problem.hint}
            return {"problem": type(problem).__name__, **words}
        except BaseException as error:
            return self.failed(error)

    def failed(self, error: BaseException) -> dict[str, Any]:
        """What is told about an exception that a tool raised."""
        return {"raised": type(error).__name__, "message": message_of(error), "trace": trace_of(error)}

    def do_describe(self) -> dict[str, Any]:
        """Version, origin and deviations of the tool; ToolAbsent without its library."""
        tool = self.object(0)
        kind = type(tool)
        return {
            "class": f"{kind.__module__}:{kind.__qualname__}",
            "version": tool.version(),
            "origin": describe_tool(self.spec, tool),
            "machinery": " or ".join(library_files(tool)),
            "deviations": [asdict(row) for row in read_deviations(Path(getfile(kind)))],
            "stack": {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}},
            "offers": asdict(offered_here(tool)),
            "methods": [name for name in METHODS if callable(getattr(tool, name, None))],
        }

    def do_warm_up(self, device: str) -> None:
        """Start to use a device: on a GPU that takes seconds, while the judging process still loads the model."""
        torch.zeros(1, device=device).add_(1)

    def do_open(self, model: LoadRequest, weights: Any = None) -> None:
        """Load the model that the next requests are about; the earlier one is let go."""
        self.close()
        if model.device.startswith("cuda"):
            torch.set_num_threads(1)  # small sums: the threads of several processes would only wait for each other
        loaded = adopt(model, weights) if weights else model.load()
        if loaded.exact:
            self.arithmetic.enter_context(exact_arithmetic(loaded))
        self.stage = Stage(loaded)
        make_traceable(self.stage.model)
        self.object(0)  # what the import of a tool changes is not what a call changes
        self.stage.baseline = process_baseline(self.stage.untouched())

    def do_supports(self, site: Site, action: Action) -> str | None:
        """None, or why the tool does not do this at this site; SuiteError for an answer that is neither."""
        return answer_of(self.object(min(self.objects, default=0)), self.opened.model.spec, site, action)

    def do_supported(self) -> dict[tuple[Site, Action], dict[str, Any]]:
        """The answers to `do_supports` about every site and action: one message instead of a thousand."""
        pairs = every_pair(self.object(min(self.objects, default=0)), self.opened.model.spec)
        return {pair: self.attempt({"do": "supports", "site": pair[0], "action": pair[1]}) for pair in pairs}

    def do_perform(
        self, operation: str, number: int, first: int, feeding: Mapping[str, Any], arguments: Mapping[str, Any]
    ) -> Any:
        """One of `OPERATIONS` on one of the tool's objects."""
        stage = self.opened
        moved = to_device(dict(arguments), stage.model.device)
        model = replace(stage.model, **feeding)
        tool = CheckedTool(self.object(number, first), self.storages)
        return OPERATIONS[operation](Stage(model, stage.pristine, stage.baseline, stage.variants), tool, **moved)

    def do_release(self) -> bool:
        """Let the model go. Whether the tool has left the process changed: what it does once per process would not be seen
        on another model."""
        stage = self.stage
        changed = process_changed(stage.untouched(), stage.baseline) if stage and stage.baseline else False
        self.close()
        return changed

    def close(self) -> None:
        """Let the model go, and with it the other process's memory."""
        self.objects, self.stage = {}, None
        self.arithmetic.close()
        if torch.cuda.is_initialized():
            gc.collect()
            torch.cuda.empty_cache()
            torch.cuda.ipc_collect()

    @property
    def opened(self) -> Stage:
        """The stage; SuiteError before a model was opened."""
        if self.stage is None:
            raise SuiteError("no-model", "no model was opened", "open one first")
        return self.stage

    def object(self, number: int, first: int = 0) -> Tool:
        """The tool object of that number, made when it is first asked for; those before `first` are not needed again."""
        self.objects = {key: kept for key, kept in self.objects.items() if key >= first}
        if self.kind is None:
            self.kind = self.spec.load()
        if number not in self.objects:
            self.objects[number] = self.spec.build(self.kind)
        return self.objects[number]


class LocalSession(Session):
    """The same in the judging process, on the experiment's own model: for debugging, and for the suite's own tests."""

    def __init__(self, text: str, model: LoadedModel, *, alone: bool) -> None:
        """alone: no other tool runs in this process, so that what changes in it is this tool's doing."""
        super().__init__(text)
        self.stage = Stage(replace(model, module=sharing_copy(model.module)), model.module)
        self.alone = alone

    def object(self, number: int, first: int = 0) -> Tool:
        """As in a process of its own."""
        tool = super().object(number, first)
        if self.alone and self.stage and not self.stage.baseline:
            self.stage.baseline = process_baseline(self.stage.untouched())
        return tool

    def do_open(self, model: LoadRequest, weights: Any = None) -> None:
        """The experiment's model is open already."""

    def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """As in a process of its own: warnings stay warnings, an early exit is an error of the tool, and a copy of the
        process that the tool forked ends here."""
        owner = os.getpid()
        SUITE.remember()
        SUITE.adopt()
        with warnings.catch_warnings(), exits_raised():
            warnings.simplefilter("default")
            answer = super().answer(request)
        if os.getpid() != owner:
            os._exit(0)
        return answer

    def failed(self, error: BaseException) -> dict[str, Any]:
        """With the exception itself, for a debugger; Ctrl-C ends the run."""
        if type(error) is KeyboardInterrupt:
            raise error
        return {**super().failed(error), "error": error}


@contextmanager
def exits_raised() -> Iterator[None]:
    """Meanwhile `os._exit`, by whichever name, raises SystemExit in this process; one that is forked from it ends as usual."""
    low: Any = import_module(os.name)  # where os has it from
    owner, real, lower = os.getpid(), os._exit, low._exit

    def leave(status: int) -> NoReturn:
        if os.getpid() != owner:
            real(status)
        raise SystemExit(f"os._exit({status})")

    os._exit = low._exit = leave
    try:
        yield
    finally:
        os._exit, low._exit = real, lower


def message_of(error: BaseException) -> str:
    """The error's message, shortened; its own failure to say anything is no further error."""
    try:
        return str(error)[:LONGEST]
    except BaseException as second:
        return f"(its message cannot be read: {type(second).__name__})"


def trace_of(error: BaseException) -> str:
    """The traceback, shortened from the front."""
    try:
        return "".join(traceback.format_exception(error))[-4 * LONGEST :]
    except BaseException:
        return ""


def offered_here(tool: Tool) -> Offers:
    """What a tool claims, less a prompt in chunks where this release of transformers cannot feed one."""
    offers = offers_of(tool)
    return replace(offers, chunked_prefill=offers.chunked_prefill and chunked_prefill_problem() is None)
