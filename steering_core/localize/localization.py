"""The name of a wrong tensor, and the one sentence that says it."""

import re
from dataclasses import dataclass

from steering_core.models.sites import Site

_TOKENS = {"last": "last token", "first": "first token", "pad": "padding token"}
_SINGLE = re.compile(r"first$|pad\b|token \d|column|\d+ before the last")


@dataclass(frozen=True)
class Localization:
    """Which tensor a tool returned.

    sentence: the finding, in one line. site: the stream it is, None if it is none or nothing matches. name: what it is
    called, streams and others. token: "last" (as asked), "first", "pad", "mean over tokens", "shifted by -1", ...
    row: "own" (as asked), "row 0 only", "permuted", ... transform: "none", "sign-flipped", "scaled by 2.000",
    "float16 round trip", "first half of features", "normed", ..., several joined by ", ". layout: how the axes differ,
    "" if they do not. forward: the other batch it came from, "" for the asked one. aliases: other names of the same
    tensor. one_minus_cosine: mean over the compared rows, to the tensor as named, in float64. bit_equal: equal to the
    tensor as named, bit for bit.
    """

    sentence: str
    matched: bool
    name: str
    site: Site | None = None
    token: str = "last"
    row: str = "own"
    transform: str = "none"
    layout: str = ""
    forward: str = ""
    aliases: tuple[str, ...] = ()
    one_minus_cosine: float = 1.0
    bit_equal: bool = False

    @property
    def cosine(self) -> float:
        """Cosine to the tensor as named, never above 1."""
        return 1.0 - self.one_minus_cosine


def finding(asked: Site, shape: str, **parts: object) -> Localization:
    """A match, put into words; `shape` says how the returned shape differs, "" if it does not."""
    draft = Localization(sentence="", matched=True, **parts)  # type: ignore[arg-type]
    alias = f" (= {', '.join(draft.aliases)})" if draft.aliases else ""
    forward = f" of another forward, {draft.forward}" if draft.forward else ""
    row = "" if draft.row == "own" else f", {draft.row}"
    fine = "nothing is wrong" if draft.bit_equal else "equal up to rounding"
    reasons = ", ".join(_reasons(draft, asked, shape)) or fine
    sentence = (
        f"returned {draft.name}{alias}{forward} [{_TOKENS.get(draft.token, draft.token)}{row}]; "
        f"asked {asked} [last token] — {reasons} ({closeness(draft.one_minus_cosine, draft.bit_equal)})"
    )
    return Localization(sentence=sentence, matched=True, **parts)  # type: ignore[arg-type]


def closeness(gap: float, bit_equal: bool) -> str:
    """`cos 1.000000, bit-equal` or `cos 0.999998, 1 - cos 2.0e-06`."""
    return f"cos {1.0 - gap:.6f}, " + ("bit-equal" if bit_equal else f"1 - cos {gap:.1e}")


def _reasons(found: Localization, asked: Site, shape: str) -> list[str]:
    reasons = ["another forward"] if found.forward else []
    reasons += _place(found, asked)
    if found.token.endswith("at every position"):
        reasons.append("one token at every position")
    elif found.token != "last":
        reasons.append("wrong token" if _SINGLE.match(found.token) else found.token)
    if found.row != "own":
        reasons.append("wrong batch rows" if found.row in {"permuted", "mixed"} else found.row)
    if found.transform != "none":
        reasons.append(re.sub("^normed", "the final norm was applied", found.transform))
    return reasons + ([shape] if shape else [])


def _place(found: Localization, asked: Site) -> list[str]:
    if found.site is None:
        return ["not a stream"]
    away = abs(found.site.layer - asked.layer)
    words = [] if found.site.stream == asked.stream else ["another stream"]
    return words + ([f"off by {'one block' if away == 1 else f'{away} blocks'}"] if away else [])
