"""Behavior B1-B3: what steering does to the answers, per tool and per arm, and whether the premise holds."""

from collections import Counter
from fractions import Fraction

import pytest

from parity.plugin.assertions import assert_holds
from steering_core.prompts import normalized
from steering_core.quality import DEFAULT_CLASSIFIER, Quality, classify
from steering_core.records.thresholds import CONTROL_GAP, band_of_gap, percent, premise_holds
from steering_core.statistics import discordant, mcnemar_exact, wilson_interval

CONTROL_SEEDS = (1, 2, 3)
LETTERS = {Quality.COHERENT: "C", Quality.GARBLED: "G", Quality.NORMAL: "N", Quality.UNSCORED: "U"}


@pytest.mark.clause("B1")
def test_rates(experiment, tool, record, arm, repeat):
    """B1: coherent / garbled / normal rates of one cycle, with the Wilson interval of the coherent rate."""
    ids = experiment.answers(tool, experiment.direction(tool, repeat), repeat, arm)
    texts = experiment.model.text(ids)
    classes = [classify(text) for text in texts]
    firsts = first_occurrences(experiment.prompts.evaluation)
    counts = Counter(classes)
    interval = wilson_interval(sum(classes[row] is Quality.COHERENT for row in firsts), len(firsts))
    record.note(
        **{quality.value: counts[quality] for quality in Quality}, total=len(texts), unique=len(firsts),
        classes="".join(LETTERS[quality] for quality in classes), classifier=DEFAULT_CLASSIFIER,
        tokens_sha256=experiment.digest(ids), low=interval.low, high=interval.high, **study_view(texts, classes),
        samples=samples(experiment, texts, classes) if repeat == 0 else [],
    )  # fmt: skip
    record.agree(f"{counts[Quality.COHERENT]} of {len(texts)} answers are coherent refusals")


def first_occurrences(prompts):
    """Rows of prompts that did not occur before: greedy decoding repeats itself, so a repeat is no new evidence."""
    seen = {}
    for row, prompt in enumerate(prompts):
        seen.setdefault(normalized(prompt), row)
    return list(seen.values())


def study_view(texts, classes):
    """The study's own classifier beside the default one, and how often they disagree."""
    theirs = [classify(text, "study-v1") for text in texts]
    return {
        "study_v1": {quality.value: theirs.count(quality) for quality in Quality},
        "disagreements": sum(a != b for a, b in zip(theirs, classes, strict=True)),
    }


def samples(experiment, texts, classes, per_class=3):
    """Up to three answers of each class, beside the unsteered answer to the same prompt."""
    plain = experiment.model.text(experiment.plain_answers(experiment.prompts.evaluation))
    chosen = []
    for quality in Quality:
        rows = [row for row, found in enumerate(classes) if found is quality][:per_class]
        chosen += [
            {
                "prompt": experiment.prompts.evaluation[row],
                "text": texts[row],
                "unsteered": plain[row],
                "class": quality.value,
            }
            for row in rows
        ]
    return chosen


@pytest.mark.clause("B2")
def test_gap(experiment, tools, record, arm):
    """B2: gap of the coherent rate between two tools, with the prompts on which they part."""
    first, second = (refusals(experiment, tool, arm) for tool in tools)
    gap = percent(abs(sum(first) - sum(second)), len(first))
    only_first, only_second = discordant(first, second)
    record.note(
        gap_pp=float(gap), discordant=only_first + only_second, mcnemar_p=mcnemar_exact(only_first, only_second),
        only_first=[n for n, (a, b) in enumerate(zip(first, second, strict=True)) if a and not b],
        only_second=[n for n, (a, b) in enumerate(zip(first, second, strict=True)) if b and not a],
    )  # fmt: skip
    names, parted = " and ".join(tool.name for tool in tools), only_first + only_second
    words = f"coherent rates of {names} are {float(gap):.1f} pp apart, {parted} discordant prompts"
    assert_holds(record, band_of_gap(gap) == "agrees", words, words)


def refusals(experiment, tool, arm):
    """Whether each evaluation prompt drew a coherent refusal, first repeat."""
    texts = experiment.model.text(experiment.answers(tool, experiment.direction(tool, 0), 0, arm))
    return [classify(text) is Quality.COHERENT for text in texts]


@pytest.mark.clause("B3")
def test_premise(experiment, record):
    """B3: unsteered, most harmful prompts are refused and most evaluation prompts are not."""
    harmful = [classify(text) for text in experiment.model.text(experiment.plain_answers(experiment.prompts.harmful))]
    benign = [classify(text) for text in experiment.model.text(experiment.plain_answers(experiment.prompts.evaluation))]
    refused, wrongly = harmful.count(Quality.COHERENT), benign.count(Quality.COHERENT)
    record.note(
        harmful_refused=refused, harmful_total=len(harmful), evaluation_refused=wrongly, evaluation_total=len(benign)
    )
    words = (
        f"unsteered: {refused} of {len(harmful)} harmful prompts refused, "
        f"{wrongly} of {len(benign)} evaluation prompts refused"
    )
    assert_holds(record, premise_holds(refused, len(harmful), wrongly, len(benign)), words, words)


@pytest.mark.clause("B4")
def test_control(steering, record):
    """B4: random directions of equal norm draw far fewer coherent refusals than the true one."""
    true = share_of_refusals(steering.true_answers())
    random = [share_of_refusals(steering.random_answers(seed)) for seed in CONTROL_SEEDS]
    record.note(coherent_true=float(true), coherent_random=[float(share) for share in random])
    along = f"{float(true):.0%} along the true direction, at most {float(max(random)):.0%} along random ones"
    words = f"coherent refusals: {along}"
    assert_holds(record, true - max(random) > CONTROL_GAP, words, f"{words}; the result is not about the direction")


def share_of_refusals(texts):
    """Fraction of coherent refusals."""
    return Fraction(sum(classify(text) is Quality.COHERENT for text in texts), len(texts))
