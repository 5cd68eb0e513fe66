"""What a tool may leave changed, by the names that checks and known deviations use. Imports no torch: checks are
collected without it."""

from dataclasses import dataclass, field

ACTIONS = ("read", "generate")
STATE_ASPECTS = (
    *("hooks", "forward", "functions", "weights", "flags", "settings"),
    *("rng", "config", "tokenizer", "inputs", "process"),
)
"""Those that one snapshot before and one after a call show."""
ASPECTS = (*STATE_ASPECTS, "memory")
"""`memory` takes several calls: does what is kept grow with each of them?"""


@dataclass
class LeftChanged:
    """What a call left behind. changed: aspect -> how often it differs, and where first. by_libraries: the same for
    what a library adds by itself at its first use, with the name of the library; it counts against no tool."""

    changed: dict[str, str] = field(default_factory=dict)
    by_libraries: dict[str, str] = field(default_factory=dict)
