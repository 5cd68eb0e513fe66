"""The name of the tensor that a tool returned, and the one sentence that reports it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from steering_core.localize.explanation import Explanation
from steering_core.models.sites import Site

_TOKENS = {"last": "last token", "first": "first token", "pad": "padding token"}
_ONE_TOKEN = re.compile(r"first$|pad\b|token \d|column|\d+ before the last")


@dataclass(frozen=True)
class Localization:
    """Which tensor a tool returned.

    sentence: the result, in one line. name: what the tensor is called. site: its stream, None if it is not a stream or
    nothing matches. token: "last" (as requested), "first", "pad", "mean over tokens", "shifted by -1", ... row: "same"
    (as requested), "row 0 only", "permuted", ... transform: "none", "sign-flipped", "scaled by 2.000", "float16 round
    trip", "first half of features", "after the final norm", ..., several joined by ", ". aliases: other names of the
    same tensor. one_minus_cosine: mean over the compared rows, to the tensor as named, in float64. bit_equal: equal to
    the tensor as named, bit for bit. as_requested: nothing is wrong with it, up to rounding at some or all tokens; how
    much rounding is allowed is for the noise floor to say.
    """

    sentence: str
    matched: bool = False
    name: str = ""
    site: Site | None = None
    token: str = "last"
    row: str = "same"
    transform: str = "none"
    aliases: tuple[str, ...] = ()
    one_minus_cosine: float = 1.0
    bit_equal: bool = False
    as_requested: bool = False


def localization_of(explanation: Explanation, requested: Site, shape_note: str) -> Localization:
    """The explanation in words. shape_note: how the returned shape differs, "" if it does not."""
    label, aliases = explanation.named(requested)
    site, match, token, row = label.site, explanation.match, explanation.alignment.token, explanation.alignment.row
    if site and site.stream == requested.stream == "final_norm":
        site = requested  # there is one final norm, whatever block is requested
    transform = ", ".join(filter(None, (*label.transforms, explanation.part, *match.transforms)))
    misplaced = [*_site_reasons(site, requested), *_token_and_row_reasons(token, row)]
    reasons = [*misplaced, transform, shape_note]
    as_requested = match.rounded and not (misplaced or shape_note or label.transforms or explanation.part)
    alias = f" (= {', '.join(aliases)})" if aliases else ""
    rows = "" if row == "same" else f", {row}"
    fine = "nothing is wrong" if match.exact else "equal up to rounding"
    closeness = f"cos {1 - match.gap:.6f}, " + ("bit-equal" if match.exact else f"1 - cos {match.gap:.1e}")
    sentence = (
        f"returned {label.text}{alias} [{_TOKENS.get(token, token)}{rows}]; requested {requested} [last token] — "
        f"{', '.join(filter(None, reasons)) or fine} ({closeness})"
    )
    transform = transform or "none"
    fields = (label.text, site, token, row, transform, aliases, match.gap, match.exact, as_requested)
    return Localization(sentence, True, *fields)


def _site_reasons(site: Site | None, requested: Site) -> Iterator[str]:
    if site is None:
        yield "not a stream"
        return
    if site.stream != requested.stream:
        yield "another stream"
    if distance := abs(site.layer - requested.layer):
        yield "off by one block" if distance == 1 else f"off by {distance} blocks"


def _token_and_row_reasons(token: str, row: str) -> Iterator[str]:
    if token.endswith("at every position"):
        yield "one token at every position"
    elif token != "last":
        yield "wrong token" if _ONE_TOKEN.match(token) else token
    if row != "same":
        yield "wrong batch rows" if row in {"permuted", "mixed"} else row
