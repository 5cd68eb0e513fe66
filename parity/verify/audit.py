"""The table of a method's steps: what the paper says, which function does it, where it deviates, and why."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name

AUDIT = Path(__file__).with_name("cosmic.toml")
COLUMNS = ("step", "paper", "function", "deviation", "why")


@dataclass(frozen=True)
class Row:
    """One step. paper: section and what it says. function: dotted name. deviation: "none", or what differs, and why."""

    step: str
    paper: str
    function: str
    deviation: str
    why: str = ""


def read_audit(path: Path = AUDIT) -> list[Row]:
    """The rows, in the order of the algorithm."""
    return [Row(**row) for row in tomllib.loads(path.read_text(encoding="utf-8"))["step"]]


def function_exists(name: str) -> bool:
    """Whether there is such a module, class, function or method below steering_core."""
    try:
        resolve_name(f"steering_core.{name}")
    except (ImportError, AttributeError):
        return False
    return True


def audit_table(rows: list[Row]) -> str:
    """A Markdown table, and where its statements about the paper come from."""
    head = [f"| {' | '.join(COLUMNS)} |", "|" + "---|" * len(COLUMNS)]
    cells = ([getattr(row, name).replace("|", "\\|") for name in COLUMNS] for row in rows)
    body = [f"| {' | '.join(values)} |" for values in cells]
    return "\n".join([*head, *body, "", SOURCES])


SOURCES = (
    "Paper: Siu et al. 2025, Findings of ACL, arXiv 2506.00085, as quoted by the study's audit (docs/COSMIC_VERIFICATION.md); "
    "its section numbers were not read\nand are not given, except where another source states them. "
    "Repository: wang-research-lab/COSMIC @2908503. Study: Sohailm25/activation-steering-runs @591da05.\n"
)
