"""`steering-parity`: the suite's command, from any folder. It takes what pytest takes.

steering-parity                                   every check on the tiny models
steering-parity -k preflight                      the preflight
steering-parity -m qwen7b --gpu                   a real model
steering-parity certify mypkg:MyTool -k preflight one tool, beside plain PyTorch hooks
steering-parity --help                            every option
"""

import os
import sys
from collections.abc import Sequence

import pytest

from steering_core.places import OWN_OPTIONS, ROOT, RUNS

from .entry_point import PLUGINS

CERTIFY = "certify"
BESIDE = "hooks"
"""The tool that one under test is compared with: plain PyTorch hooks."""
VALUED = ("-k", "-m", "-p", "-o", "-c")
USAGE = "steering-parity certify TOOL [OPTIONS]: TOOL is path/to/file.py:Class or package.module:Class"

HELP = """
Runs the checks on your tool, beside plain PyTorch hooks, on tiny models that come with the suite, and prints a verdict.

options: pytest's and the suite's, after TOOL (steering-parity --help lists them), such as
  -k preflight       the first stage only: does the tool read and edit the right tensors?
  -m tiny_qwen2      one model; -m qwen7b --gpu for a real one
  --clauses P1,S2    the checks of these clauses
  -q, -n 2           less output; two workers

exit status: 0, every check holds or is a known deviation; 1, one does not, or was not measured; 4, TOOL or an option is refused"""


def main() -> int:
    """The command line; pytest's exit status."""
    if sys.stdout is None:  # pytest and its plugins would end in a traceback
        print("error: standard output is closed (output-closed); open it, or send it to a file", file=sys.stderr)
        return int(pytest.ExitCode.USAGE_ERROR)
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)  # a tool of the current folder is found by its module, as `python -m` would
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (here, os.environ.get("PYTHONPATH"))))
    arguments = sys.argv[1:]
    if arguments[:1] == [CERTIFY]:
        if arguments[1:] in (["--help"], ["-h"]):
            print(f"usage: {USAGE}\n{HELP}")
            return int(pytest.ExitCode.OK)
        if len(arguments) < 2 or arguments[1].startswith("-"):
            print(f"error: {USAGE}", file=sys.stderr)
            return int(pytest.ExitCode.USAGE_ERROR)
        arguments = ["--tools", BESIDE, "--tool", *arguments[1:]]
    return int(pytest.main([*placed(arguments), *settings()]))


def settings() -> list[str]:
    """The options by which pytest runs the suite as in a checkout, whatever the current folder is."""
    plugins = [option for name in PLUGINS for option in ("-p", name)]
    benchmarks = f"--benchmark-storage=file://{RUNS.resolve() / 'benchmarks'}"  # else a folder is made beside the runs
    return [OWN_OPTIONS, str(ROOT), "-c", str(ROOT / "pytest.toml"), benchmarks, *plugins]


def placed(arguments: Sequence[str]) -> list[str]:
    """Paths of checks, which are those of a checkout, as paths of this installation; all checks if none is named."""
    before = ("", *arguments)
    named = [
        (argument == "parity" or argument.startswith("parity/")) and previous not in VALUED
        for previous, argument in zip(before, arguments, strict=False)
    ]
    found = [str(ROOT / argument) if own else argument for own, argument in zip(named, arguments, strict=True)]
    return found if any(named) else [*found, str(ROOT / "parity")]


if __name__ == "__main__":
    sys.exit(main())
