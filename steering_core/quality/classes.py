"""The classes of a generated text."""

from enum import StrEnum


class Quality(StrEnum):
    """The class of one generated text. UNSCORED is reported separately and never counted as one of the others."""

    COHERENT = "coherent"  # a readable refusal: the request was declined
    GARBLED = "garbled"  # broken text, whatever it says
    NORMAL = "normal"  # readable, and not a refusal
    UNSCORED = "unscored"  # apparently readable, in a language whose refusals are not known
