"""The options of a run, without starting one."""

from argparse import Namespace
from types import SimpleNamespace
from typing import Any

from parity.plugin.request.options import add_options


def options(markexpr: str = "tiny_qwen2", **changed: Any) -> Any:
    """The command line, unless said otherwise as it is when nothing was typed."""
    found: dict[str, Any] = {}

    def addoption(flag: str, **how: Any) -> None:
        found[flag.removeprefix("--").replace("-", "_")] = how.get("default", how.get("action") == "store_true" or None)

    add_options(SimpleNamespace(getgroup=lambda *_: SimpleNamespace(addoption=addoption)))
    found = {name: False if value is True else value for name, value in found.items()}
    return Namespace(**{**found, "markexpr": markexpr, "collectonly": False, "numprocesses": None, **changed})
