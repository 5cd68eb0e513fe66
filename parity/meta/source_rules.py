"""The import rules, as functions from a parsed module to the violations in it."""

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from parity.meta.tool_sharing import INDEPENDENT, shared_with_tools
from steering_core.tools.spec import BUILT_IN

ROOMS = {
    "steering_core": {"steering_core"},
    "fixtures": {"fixtures", "steering_core"},
    "parity": {"parity", "fixtures", "steering_core"},
    "reports": {"reports", "steering_core"},
}
"""Top-level folder -> the folders that its modules may import."""
FLOORS: dict[str, tuple[str, ...]] = {
    "steering_core": (
        *("measure", "hosts", "programs", "localize", "observe", "tools", "exact", "judges", "models", "directions"),
        *("quality", "records"),
    ),
    "reports": (
        *("launch", "compatibility", "compare", "terminal", "review", "page", "budget", "study", "engines", "run"),
        *("verdicts", "sweeps"),
    ),
    "parity": ("plugin",),
    "fixtures": ("train", "faults", "correct"),
}
"""Rooms from the top floor down: each imports only those after it, and the files beside the rooms."""
GROUND = {
    "steering_core": {"errors", "files", "prompts", "compare", "statistics", "places", "activity"},
    "reports": {"untrusted"},
    "parity": set[str](),
    "fixtures": set[str](),
}
"""Files beside the rooms that every room may import; the other files beside them stand above all rooms."""
LIBRARIES = set(BUILT_IN) - {"hooks"}
"""The libraries of the built-in tools: each adapter but the one of plain PyTorch hooks is named after its own."""
HEAVY = {"torch", "transformers", *LIBRARIES}
"""Libraries that take seconds to import: never at import of reports, nor of anything that collection imports."""
ADAPTERS = "steering_core.tools.adapters"
THIRD_PARTY = "steering_core.tools.third_party"
UNPICKLERS = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "jsonpickle"}
EVALUATORS = {"eval", "exec", "compile", "torch.load"}
FETCHER = "steering_core.models.hub"
"""The one file that downloads, after saying so."""
TRUSTING = {"trust_remote_code", "allow_pickle"}
SNAPSHOT_FILES = {"steering_core.places", "steering_core.models.model"}
"""The last one means a folder of that name in the hub's cache."""


@dataclass(frozen=True)
class Module:
    """One source file; `name` is dotted, a package goes by its own name."""

    name: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """Its syntax tree."""
        return ast.parse(self.text)

    @property
    def top(self) -> str:
        """The top-level folder."""
        return self.name.partition(".")[0]

    @property
    def is_test(self) -> bool:
        """Unit tests and checks of the suite itself; the checks in parity/test_*.py are not."""
        return ".tests" in self.name or self.name.startswith("parity.meta")

    def imports(self, *, at_load: bool = False) -> set[str]:
        """Dotted names that it imports, `from a import b` as `a` and `a.b`; `at_load`: not inside functions."""
        nodes = _at_load(self.tree) if at_load else ast.walk(self.tree)
        found: set[str] = set()
        for node in nodes:
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                base = node.module or ""
                found |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
        return found


def _at_load(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        yield from _at_load(node)


def read_modules(root: Path) -> dict[str, Module]:
    """Every Python file of the rooms, by dotted name."""
    found = {}
    for room in ROOMS:
        for path in sorted((root / room).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found[name] = Module(name, path.read_text(encoding="utf-8"))
    return found


def tops(names: set[str]) -> set[str]:
    """The first part of each dotted name."""
    return {name.partition(".")[0] for name in names}


def room_walls(module: Module) -> list[str]:
    """A room imports only the rooms below it."""
    if module.name.startswith("parity.meta"):
        return []
    foreign = (tops(module.imports()) & set(ROOMS)) - ROOMS[module.top]
    return [f"{module.name} imports {room}" for room in sorted(foreign)]


def no_import_upwards(module: Module) -> list[str]:
    """A room imports the rooms on the floors below it, and of the files beside the rooms only those on the ground."""
    if module.is_test or not (floor := floor_of(module.name)):
        return []
    seen = {name: floor_of(name) for name in module.imports() if name.startswith(f"{module.top}.")}
    return [f"{module.name} imports {name}" for name, below in sorted(seen.items()) if below and below < floor]


def floor_of(name: str) -> int:
    """Floors counted from the top, 1 for files above all rooms; 0 for what is on no floor (the package itself)."""
    top, _, rest = name.partition(".")
    room = rest.partition(".")[0]
    if not room or room not in {*FLOORS[top], *GROUND[top]} and "." in rest:
        return 0
    return 2 + FLOORS[top].index(room) if room in FLOORS[top] else 99 if room in GROUND[top] else 1


def light_reports(module: Module) -> list[str]:
    """No module of reports imports a heavy library when it is loaded."""
    if module.top != "reports" or module.is_test:
        return []
    return [f"{module.name} imports {name} at load" for name in sorted(tops(module.imports(at_load=True)) & HEAVY)]


def separate_adapters(module: Module) -> list[str]:
    """No module of the core names an adapter, which are found by their files; Hooks is a public name."""
    if module.top != "steering_core" or module.is_test or module.name == "steering_core":
        return []
    siblings = {f"{ADAPTERS}.{name}" for name in BUILT_IN} - {module.name}
    return [f"{module.name} imports {name}" for name in sorted(module.imports() & siblings)]


def independent_expectations(module: Module) -> list[str]:
    """What computes expected values takes only types from the tools' room, and calls no method of an edit."""
    shared = shared_with_tools(module.tree) if module.name.startswith(INDEPENDENT) else []
    return [f"{module.name} {words}" for words in shared]


def libraries_at_home(module: Module) -> list[str]:
    """A tool's library is imported in the tool's own file alone, those of older releases (`nnsight_0_3`), and that of
    correct tools in other styles."""
    if module.is_test or module.name == "fixtures.correct.libraries":
        return []
    homeless = [name for name in tops(module.imports()) & LIBRARIES if not _is_home(module.name, name)]
    return [f"{module.name} imports {name}" for name in sorted(homeless)]


def _is_home(module: str, library: str) -> bool:
    return module == f"{ADAPTERS}.{library}" or module.startswith(f"{THIRD_PARTY}.{library}_")


def quiet_core(module: Module) -> list[str]:
    """The core knows no pytest and prints nothing."""
    if module.top != "steering_core" or module.is_test:
        return []
    broken = ["pytest"] if tops(module.imports()) & {"pytest", "_pytest"} else []
    prints = [node for node in calls(module) if isinstance(node.func, ast.Name) and node.func.id == "print"]
    return [f"{module.name} uses {name}" for name in broken + ["print"] * bool(prints)]


def no_foreign_code(module: Module) -> list[str]:
    """Nothing is unpickled, evaluated, or run because a checkpoint says so; nothing is fetched."""
    broken = [f"imports {name}" for name in sorted(tops(module.imports()) & UNPICKLERS)]
    core = module.top == "steering_core" and not module.is_test and module.name != FETCHER
    for call in calls(module):
        broken += foreign_code_in(call) + (fetched_by(call) if core else [])
    return [f"{module.name} {words}" for words in broken]


def foreign_code_in(call: ast.Call) -> list[str]:
    """What in a call could run code that came as data."""
    name = ast.unparse(call.func)
    trusting = [word.arg for word in call.keywords if word.arg in TRUSTING and ast.unparse(word.value) == "True"]
    return [f"passes {option}" for option in trusting] + [f"calls {name}"] * (name in EVALUATORS)


def fetched_by(call: ast.Call) -> list[str]:
    """A loader that may look for its files on the network."""
    name = ast.unparse(call.func)
    local = any(word.arg == "local_files_only" and ast.unparse(word.value) == "True" for word in call.keywords)
    fetches = name.endswith(("from_pretrained", "snapshot_download")) and not local
    return [f"calls {name} without local_files_only"] if fetches else []


def calls(module: Module) -> Iterator[ast.Call]:
    """Every call in a module."""
    return (node for node in ast.walk(module.tree) if isinstance(node, ast.Call))


def one_snapshot_room(module: Module) -> list[str]:
    """Only two files spell the path of the snapshots."""
    if module.name in SNAPSHOT_FILES or module.is_test:
        return []
    constants = (node.value for node in ast.walk(module.tree) if isinstance(node, ast.Constant))
    knows = any("snapshots" in re.split(r"[/\\]", text) for text in constants if isinstance(text, str))
    return [f"{module.name} spells the path of snapshots/"] if knows else []


Rule = Callable[[Module], list[str]]
RULES: tuple[Rule, ...] = (
    room_walls,
    no_import_upwards,
    light_reports,
    separate_adapters,
    independent_expectations,
    libraries_at_home,
    quiet_core,
    no_foreign_code,
    one_snapshot_room,
)


def loaded_with(name: str, modules: dict[str, Module]) -> set[str]:
    """Every dotted name that importing a module imports, through the project's own modules and their packages."""
    waiting, seen = [name], set[str]()
    while waiting:
        current = waiting.pop()
        if current in seen:
            continue
        seen.add(current)
        waiting += [current.rpartition(".")[0]] if "." in current else []
        if current in modules:
            waiting += modules[current].imports(at_load=True)
    return seen
