"""The table of axes in parity/README.md lists every argument that a check asks for, with its type."""

import inspect
import re

from parity.plugin.harness import Check, list_checks
from steering_core.places import ROOT

TEXT = (ROOT / "parity" / "README.md").read_text(encoding="utf-8")
ROWS = [re.findall(r"`([^`]+)`", row.split("|")[1]) for row in TEXT.splitlines() if row.startswith("| `")]


def undocumented(checks: list[Check], documented: set[str]) -> list[str]:
    """Arguments, other than variants, that are not in the table."""
    arguments = {name for check in checks for name in check.arguments - set(check.params)}
    return sorted(arguments - documented)


def test_every_argument_of_a_check_is_in_the_table() -> None:
    documented = {name for row in ROWS for name in row}

    assert undocumented(list_checks(), documented) == []
    assert undocumented(list_checks(), documented - {"tool"}) == ["tool"]


def test_every_argument_in_the_table_is_used_by_a_check() -> None:
    used = {name for check in list_checks() for name in check.arguments}

    assert [name for row in ROWS for name in row if name not in used] == []


def test_the_table_gives_each_argument_its_type() -> None:
    for check in list_checks():
        for name, parameter in inspect.signature(check.function, eval_str=False).parameters.items():
            if name in check.params and name not in {"arm", "repeat"}:
                continue
            assert parameter.annotation is not inspect.Parameter.empty, f"{check.function.__name__} {name}"
