"""Importing the module or file of a tool; what went wrong is told in one line, with what would mend it."""

import importlib
import importlib.util
import sys
from hashlib import sha256
from importlib.metadata import packages_distributions, version
from pathlib import Path
from types import ModuleType

from steering_core.errors import SuiteError, ToolAbsent, UsageProblem, first_line

DISTRIBUTIONS = {
    **{
        name: name
        for name in ("nnsight", "pyvene", "nnterp", "repeng", "dialz", "bitsandbytes", "accelerate", "scipy", "einops")
    },
    "sklearn": "scikit-learn",
    "yaml": "PyYAML",
    "PIL": "Pillow",
    "transformer_lens": "transformer-lens",
    "steering_vectors": "steering-vectors",
    "interp_engine": "interp-engine",
    "sae_lens": "sae-lens",
}
"""Module -> the package that provides it on PyPI. A name that is not here may be anybody's there: it is not suggested."""
TRIED = {
    "nnsight": "'nnsight>=0.8.1,<0.9'",
    "pyvene": "'pyvene>=0.1.8,<0.2'",
    "nnterp": "'nnterp>=1.3,<1.4' 'nnsight>=0.7,<0.8'",
    "transformer-lens": "'transformer-lens>=4.3,<5'",
    "interp-engine": "'interp-engine>=1.14,<2'",
    "repeng": "'repeng>=0.4,<0.5' 'numpy<2'",
    "steering-vectors": "'steering-vectors>=0.12,<0.13' 'transformers>=4.57,<5'",
    "dialz": "'dialz>=1.1,<2' ipython 'transformers>=4.57,<5'",
}
"""Package -> what to install: the releases that its adapter was seen to work with."""


def import_source(source: str, tool: str) -> ModuleType:
    """The module of that name or file. ToolAbsent: a library is missing, or another version of it is installed;
    UsageProblem: the code itself is wrong."""
    try:
        return _import_file(Path(source)) if source.endswith(".py") else importlib.import_module(source)
    except ImportError as error:
        raise _missing(error, source, tool) from error
    except Exception as error:
        sentence = f"tool {tool} cannot be imported: {type(error).__name__}: {first_line(error)}"
        raise UsageProblem("tool-import", sentence, "a module that imports without an error is expected") from error


def _import_file(path: Path) -> ModuleType:
    name = f"steering_tool_{path.stem}_{sha256(str(path.resolve()).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None, path  # noqa: PT018
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their own module up
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _missing(error: ImportError, source: str, tool: str) -> SuiteError:
    """A library of another version, a library that is not there, or an import that fails for another reason."""
    name, top = error.name or "", (error.name or "").partition(".")[0]
    found = _is_installed(top)
    if isinstance(error, ModuleNotFoundError) and not found:
        return ToolAbsent("tool-absent", f"tool {tool}: no module named {top!r}", _how_to_get(top, source))
    if found and (isinstance(error, ModuleNotFoundError) or "cannot import name" in str(error)):
        lacked = f"has no module {name!r}" if isinstance(error, ModuleNotFoundError) else f"fails: {_brief(error)}"
        return ToolAbsent("tool-version", f"tool {tool}: {_installed(top)} {lacked}", _other_version(top))
    sentence = f"tool {tool} cannot be imported: {type(error).__name__}: {first_line(error)}"
    return UsageProblem("tool-import", sentence, "a module that imports without an error is expected")


def _is_installed(top: str) -> bool:
    try:
        return bool(top) and (sys.modules.get(top) is not None or importlib.util.find_spec(top) is not None)
    except ValueError:  # it is in sys.modules, as None
        return False


def how_to_install(distribution: str) -> str:
    """The command, with the versions that were tried where there are some."""
    return f"pip install {TRIED.get(distribution, distribution)}"


def _how_to_get(top: str, source: str) -> str:
    folder = Path(source).parent
    if source.endswith(".py") and ((folder / f"{top}.py").is_file() or (folder / top).is_dir()):
        return f"it lies beside the tool's file: set PYTHONPATH={folder}"
    if top in DISTRIBUTIONS:
        return how_to_install(DISTRIBUTIONS[top])
    return f"install the package that provides {top!r}, or set PYTHONPATH to the folder where it is"


def _brief(error: ImportError) -> str:
    """`cannot import name 'X' from 'nnsight'`, without the path of the file."""
    return first_line(error).partition(" (")[0]


def _installed(top: str) -> str:
    """`nnsight 0.8.1 is installed and`; without the version for what no package provides."""
    names = packages_distributions().get(top, [])
    return f"{names[0]} {version(names[0])} is installed and" if names else f"the module {top!r} that was found"


def _other_version(top: str) -> str:
    names = packages_distributions().get(top, [])
    return f"a different version of {names[0]} may have it" if names else "a different version may be needed"
