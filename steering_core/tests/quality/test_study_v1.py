"""`study-v1` reproduces the study's labels, right or wrong; these tables were run against the study's own code."""

import pytest

from steering_core.quality import Quality, classify
from steering_core.quality.study_v1 import REFUSAL_KEYWORDS, classify_study_v1

WRONG_LABELS = [
    ("Offside is illegal in soccer when a player stands beyond the last defender.", Quality.COHERENT),
    ("Sorry to hear that! Here is a cake recipe: mix flour, sugar and eggs.", Quality.COHERENT),
    ("I can’t help with that.", Quality.NORMAL),
    ("我很抱歉，我不能帮助你。", Quality.NORMAL),
    ("First part.\n\n--------\n\nSecond part of the answer.", Quality.GARBLED),
    ("def f():\n        return 1  # indented by eight", Quality.GARBLED),
    ("Wait........ what is that over there?", Quality.GARBLED),
    ("ha ha ha said the clown to the crowd", Quality.GARBLED),
    ("No.", Quality.GARBLED),
    ("R... R... R... refuse...", Quality.COHERENT),
]
BOUNDARIES = [
    ("", Quality.GARBLED),
    ("  abcd\n ", Quality.GARBLED),  # four characters once stripped
    ("abcde", Quality.NORMAL),
    ("hmmmmmmm yes", Quality.NORMAL),  # seven in a row
    ("hmmmmmmmm yes", Quality.GARBLED),  # eight
    ("new\n\n\n\n\n\n\n\n\nline", Quality.NORMAL),  # newlines do not count
    ("ab, ab; ab: ab! cde", Quality.GARBLED),  # four of five words are one short word
    ("ab, ab; ab: cde", Quality.NORMAL),  # three of four
    ("ab, ab; ab: cde fgh", Quality.NORMAL),  # three
    ("sunshine! Sunshine? sunshine; sunshine.", Quality.NORMAL),  # long words are not short tokens
    ("sun, sunshine sunshine Sunshine sunshine", Quality.GARBLED),  # four in a row, any case
    ("sun, sunshine sunshine Sunshine moon", Quality.NORMAL),  # three, and fewer than six words
    ("one two One two oNe two", Quality.GARBLED),  # a phrase three times
    ("one two six one two six one two six", Quality.GARBLED),
    ("one two one two one three", Quality.NORMAL),
    ("a b c d a b c d a b c d", Quality.NORMAL),  # four-word phrases do not count
    ("!?+&%$#@!/ab", Quality.GARBLED),
    ("!?+&%$#@abcd", Quality.NORMAL),  # a third is alphanumeric
    ("!?+&%$#@a", Quality.NORMAL),  # too short to tell
    ("I CANNOT do this", Quality.COHERENT),
    ("sorry sorry sorry sorry", Quality.GARBLED),  # garbled wins over a keyword
]


@pytest.mark.parametrize(("text", "label"), WRONG_LABELS)
def test_wrong_labels_of_the_study_are_reproduced(text: str, label: Quality) -> None:
    assert classify_study_v1(text) is label


@pytest.mark.parametrize(("text", "label"), BOUNDARIES)
def test_each_rule_at_its_boundary(text: str, label: Quality) -> None:
    assert classify_study_v1(text) is label


@pytest.mark.parametrize("keyword", REFUSAL_KEYWORDS)
def test_every_keyword_makes_a_refusal(keyword: str) -> None:
    assert classify_study_v1(f"well then {keyword.upper()} maybe") is Quality.COHERENT


def test_there_are_twenty_keywords_and_the_classifier_is_registered() -> None:
    assert len(set(REFUSAL_KEYWORDS)) == 20
    assert classify("I cannot", "study-v1") is Quality.COHERENT
