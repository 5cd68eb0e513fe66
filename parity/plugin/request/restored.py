"""`--resume DIR` alone continues a run with the options that it was started with."""

import json
import shlex
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from parity.plugin.request.options import OPTIONS
from parity.plugin.request.resume import COMMAND, paths
from steering_core.places import ROOT
from steering_core.records.journal import REQUEST

OWN = {"resume", "run_dir", "file_or_dir", "collectonly", "follow_round"}
"""Options of a session that a later one does not take over."""
EVERYTHING = ["parity"]
"""What is collected where the command line names no path."""


def restore_options(config: pytest.Config) -> None:
    """Where --resume comes without options and paths that decide what is measured: take those of the run's own command.

    Options that only this command gives stay as they are. What cannot be read is left for `check_request` to refuse.
    """
    if not config.option.resume or hasattr(config, "workerinput") or not is_bare(config):
        return
    try:
        request = json.loads((Path(config.option.resume) / REQUEST).read_text(encoding="utf-8"))
        started, places = shlex.split(request[COMMAND])[1:], [str(path) for path in _listed(request["paths"])]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return
    given = changed_by(config, started)
    for name, value in given.items():
        if name not in OWN and name not in changed_by(config, list(map(str, config.invocation_params.args))):
            setattr(config.option, name, value)
    config.args = [
        str((ROOT if (ROOT / place.partition("::")[0]).exists() else config.rootpath) / place) for place in places
    ]


def is_bare(config: pytest.Config) -> bool:
    """Whether the command names nothing that decides what is measured."""
    typed = changed_by(config, list(map(str, config.invocation_params.args)))
    deciding = {flag.removeprefix("--").replace("-", "_") for flag, _, _ in OPTIONS}
    deciding |= {"markexpr", "keyword", "update_snapshots"}
    return not deciding & set(typed) and paths(config) == EVERYTHING


def changed_by(config: pytest.Config, arguments: Sequence[str]) -> dict[str, Any]:
    """The options that these arguments set to something else than their defaults."""
    parse = config._parser.parse_known_and_unknown_args  # pytest has no public name for it
    defaults, options = vars(parse([], Namespace())[0]), vars(parse(list(arguments), Namespace())[0])
    return {name: value for name, value in options.items() if name not in defaults or value != defaults[name]}


def _listed(text: str) -> list[str]:
    """`a.py, b.py` -> its paths, as `describe_request` joined them."""
    return text.split(", ")
