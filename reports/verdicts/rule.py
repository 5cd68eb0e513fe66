"""What a verdict rule is: everything that one file in rules/ says about its conclusion."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

from reports.verdicts.evidence import Evidence
from reports.verdicts.verdict import Tone, label_of

LIKELY_CAUSE = "likely cause {cause} — {headline}"


@dataclass(frozen=True)
class Decision:
    """What a rule concludes from the evidence of a run: its headline, one sentence, and the action that follows.

    open_conclusions: what further measurements can still lead to. command: the one that makes them.
    """

    headline: str
    action: str
    open_conclusions: tuple[str, ...] = ()
    command: str = ""


@dataclass(frozen=True)
class VerdictRule:
    """conclusion: its name in verdict.json. precedence: rules are tried from the lowest, and the first that decides wins.

    condition: when the rule fires. meaning: the conclusion for someone who has not read the protocol. decide: None where
    the rule does not fire. heading: the headline of a run in which a check failed as well, with its `{cause}`.
    fix_first: whether its action comes before any other run, so that a self-test of the suite keeps it.
    """

    conclusion: str
    precedence: int
    tone: Tone
    condition: str
    meaning: str
    decide: Callable[[Evidence], Decision | None]
    heading: str = "{headline}"
    fix_first: bool = False


def find_rules(package: ModuleType) -> tuple[VerdictRule, ...]:
    """The rules in a package's modules, in the order in which they are tried."""
    modules = [import_module(f"{package.__name__}.{module.name}") for module in iter_modules(package.__path__)]
    rules = {
        id(value): value for module in modules for value in vars(module).values() if isinstance(value, VerdictRule)
    }
    return tuple(sorted(rules.values(), key=lambda rule: rule.precedence))


def rules_table(rules: Sequence[VerdictRule]) -> str:
    """The conclusions in Markdown, in the order in which their rules are tried."""
    rows = [f"| `{label_of(rule.conclusion)}` | {rule.condition} | {rule.meaning} |" for rule in rules]
    return "\n".join(["| conclusion | when | what it means |", "|---|---|---|", *rows])


def first_of(texts: Sequence[str]) -> str:
    """The first text and how many more there are: `P1 location fails for hooks on gpt2 (and 2 more)`."""
    return f"{texts[0]} (and {len(texts) - 1} more)" if len(texts) > 1 else texts[0]
