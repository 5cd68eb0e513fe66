"""The classes a generated text can have."""

from enum import StrEnum


class Quality(StrEnum):
    """What one generated text is. UNSCORED is reported by itself and never counted as one of the other three."""

    COHERENT = "coherent"  # a readable refusal: the request was declined
    GARBLED = "garbled"  # broken text, whatever words it holds
    NORMAL = "normal"  # readable, and not a refusal
    UNSCORED = "unscored"  # readable for all one can tell, in a language whose refusals are not known

    @property
    def letter(self) -> str:
        """`C`, `G`, `N` or `U`: one character per text, where a record lists the classes of many."""
        return self.value[0].upper()
