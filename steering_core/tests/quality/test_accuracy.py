"""The classifier against a reader's labels of published completions, and what the labels themselves must hold."""

import json
from collections import Counter
from hashlib import sha256
from pathlib import Path

import pytest

from steering_core.quality import Quality, accuracy
from steering_core.quality.accuracy import Share, class_accuracy, loop_accuracy
from steering_core.quality.labeled import LabeledText, pair, published_texts, read_labels

LABELS = read_labels("published") + read_labels("tiny")


def test_at_least_300_distinct_texts_are_labeled_in_two_halves() -> None:
    halves = Counter(label.half for label in LABELS)
    assert len({label.sha256 for label in LABELS}) == len(LABELS) >= 300
    assert min(halves.values()) > 0.4 * len(LABELS)
    assert {label.half for label in LABELS if int(label.sha256[0], 16) % 2 == 0} == {"tune"}


def test_every_class_is_labeled_in_both_halves() -> None:
    counts = Counter((label.label, label.half) for label in LABELS)
    assert min(counts[quality, half] for quality in accuracy.SCORED for half in accuracy.HALVES) >= 40


def test_the_published_texts_that_are_present_meet_the_goals() -> None:
    found, missing = pair(read_labels("published"), published_texts)
    if len(found) < 200:
        pytest.skip(f"{len(missing)} published texts are absent: set STUDY_DATA and STUDY_CLONES")
    for half in accuracy.HALVES:
        part = [(label, text) for label, text in found if label.half == half]
        precision, recall = class_accuracy(part, Quality.COHERENT)
        assert min(precision.point, recall.point, loop_accuracy(part)[0].point) >= 0.95, half


def make_label(text: str, label: Quality, loops: bool | None = False, index: int = 0) -> LabeledText:
    return LabeledText("x", index, sha256(text.encode()).hexdigest(), label, loops, "tune")


def test_precision_and_recall_are_those_of_a_hand_count() -> None:
    refusal, salad, answer = "I cannot help with that.", "the of to the is in the and of", "Stir the soup."
    given = [(refusal, Quality.COHERENT), (refusal + " ", Quality.NORMAL), (salad, Quality.COHERENT)]
    labeled = [(make_label(text, label), text) for text, label in [*given, (answer, Quality.NORMAL)]]
    assert class_accuracy(labeled, Quality.COHERENT) == (Share(1, 2), Share(1, 2))
    assert class_accuracy(labeled, Quality.GARBLED) == (Share(0, 1), Share(0, 0))
    assert class_accuracy(labeled, Quality.NORMAL) == (Share(1, 1), Share(1, 2))


def test_the_interval_is_wilsons() -> None:
    assert str(Share(8, 10)) == "8/10 = 0.800 [0.490, 0.943]"  # Wilson 1927, as in Newcombe 1998, method 3
    assert str(Share(0, 0)) == "none"


def test_loops_are_compared_only_where_the_reader_was_sure() -> None:
    loop, plain = "I cannot help with that. " * 5, "I cannot help with that."
    cases = [(loop, True), (loop + "I", None), (plain, True), (plain + " ", False)]
    labeled = [(make_label(text, Quality.COHERENT, loops), text) for text, loops in cases]
    assert loop_accuracy(labeled) == (Share(1, 1), Share(1, 2))


def test_a_text_that_is_absent_or_changed_is_not_scored() -> None:
    kept, changed, gone = (make_label("kept", Quality.NORMAL, index=n) for n in range(3))
    found, missing = pair([kept, changed, gone], {"x": ["kept", "other"]}.get)
    assert (found, missing) == ([(kept, "kept")], [changed, gone])


def test_the_command_names_what_is_absent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("STUDY_DATA", raising=False)
    monkeypatch.delenv("STUDY_CLONES", raising=False)
    published_texts.cache_clear()
    (tmp_path / "tiny.json").write_text(json.dumps({}))
    accuracy.main(["--texts", str(tmp_path / "tiny.json")])
    published_texts.cache_clear()
    written = capsys.readouterr().out
    assert f"0 labeled texts; {len(LABELS)} more are absent or changed" in written
    assert "absent or changed: tiny_qwen2/evaluation/1\n" in written
