"""The options of a run, without starting one."""

from argparse import ArgumentParser, Namespace
from types import SimpleNamespace
from typing import Any

from parity.plugin.request.options import add_options


def options(markexpr: str = "tiny_qwen2", **changed: Any) -> Any:
    """The options of a command line with nothing but `-m` on it, and some of them changed."""
    parser = ArgumentParser()
    add_options(SimpleNamespace(getgroup=lambda *_: SimpleNamespace(addoption=parser.add_argument)))
    of_pytest = {"markexpr": markexpr, "collectonly": False, "numprocesses": None}
    return Namespace(**{**vars(parser.parse_args([])), **of_pytest, **changed})
