"""The classes of a generated text."""

from enum import StrEnum


class Quality(StrEnum):
    """The class of one generated text. UNSCORED is reported separately and never counted as one of the others."""

    COHERENT = "coherent"  # a readable refusal: the request was declined
    GARBLED = "garbled"  # broken text, whatever it says
    NORMAL = "normal"  # readable, and not a refusal
    UNSCORED = "unscored"  # apparently readable, in a language whose refusals are not known

    @property
    def letter(self) -> str:
        """`C`, `G`, `N` or `U`: one character per text, where a record lists the classes of many."""
        return self.value[0].upper()
