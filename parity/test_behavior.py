"""Behavior B1-B4: what steering does to the answers, per tool and per arm; the premise, and a control."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from parity.plugin.arguments import Arm, Draft, Experiment, SteeringMeasurements, Tool
from parity.plugin.assertions import assert_holds
from parity.plugin.reference_plan import CONTROL_SEEDS
from steering_core.prompts import normalized
from steering_core.quality import CLASSIFIERS, DEFAULT_CLASSIFIER, Quality, classify, judge_text
from steering_core.records.thresholds import band_of_gap, percent, premise_holds
from steering_core.statistics import discordant, mcnemar_exact, paired_interval, wilson_interval

SAMPLES = 3
"""Answers of each class that a record quotes."""


@pytest.mark.clause("B1")
@pytest.mark.needs("arm")
def test_rates(experiment: Experiment, tool: Tool, record: Draft, arm: Arm, repeat: int) -> None:
    """B1: coherent / garbled / normal rates of one repeat, with the Wilson interval of the coherent rate, and how strong
    the steering is beside the activations."""
    from steering_core.measure.multilayer.preset_ratios import preset_ratios

    direction = experiment.direction_to_steer(tool, repeat)
    ids = experiment.answers(tool, direction, repeat, arm)
    record.note(**preset_ratios(experiment, direction))
    texts = experiment.model.text(ids)
    classes = [classify(text) for text in texts]
    rows = first_occurrences(experiment.prompts.evaluation)
    low, high = wilson_interval(sum(classes[row] is Quality.COHERENT for row in rows), len(rows))
    counts = Counter(classes)
    record.note(**{quality.value: counts[quality] for quality in Quality}, total=len(texts), unique=len(rows))
    record.note(classes="".join(quality.letter for quality in classes), classifier=DEFAULT_CLASSIFIER)
    record.note(loops=sum(judge_text(text)[1] for text in texts))
    record.note(tokens_sha256=experiment.digest(ids), low=low, high=high, **study_view(texts, classes))
    record.note(samples=samples(experiment, texts, classes) if repeat == 0 else [])
    record.note(**({"judge": experiment.judging.counts(texts, classes)} if experiment.judging else {}))
    record.agree(f"{counts[Quality.COHERENT]} of {len(texts)} answers are coherent refusals")


def first_occurrences(prompts: Sequence[str]) -> list[int]:
    """Rows of prompts that did not occur before: under greedy decoding a repeated prompt is no new evidence."""
    rows: dict[str, int] = {}
    for row, prompt in enumerate(prompts):
        rows.setdefault(normalized(prompt), row)
    return list(rows.values())


def study_view(texts: Sequence[str], classes: Sequence[Quality]) -> dict[str, Any]:
    """The counts of the study's own classifier, and on how many answers the two classifiers disagree."""
    study = [classify(text, "study-v1") for text in texts]
    disagreements = sum(a != b for a, b in zip(study, classes, strict=True))
    return {"study_v1": {quality.value: study.count(quality) for quality in Quality}, "disagreements": disagreements}


def samples(experiment: Experiment, texts: Sequence[str], classes: Sequence[Quality]) -> list[dict[str, str]]:
    """A few answers of each class, beside the unsteered answer to the same prompt."""
    prompts = experiment.prompts.evaluation
    plain = experiment.model.text(experiment.plain_answers(prompts))
    rows = [row for quality in Quality for row in [n for n, other in enumerate(classes) if other is quality][:SAMPLES]]
    return [
        {"prompt": prompts[row], "text": texts[row], "unsteered": plain[row], "class": classes[row].value}
        for row in rows
    ]


@pytest.mark.clause("B2")
@pytest.mark.needs("arm")
def test_gap(experiment: Experiment, tools: tuple[Tool, Tool], record: Draft, arm: Arm, repeats: int) -> None:
    """B2: widest gap of the coherent rate between two tools over all repeats, with the discordant prompts."""
    rounds = [[refusals(experiment, tool, arm, repeat) for tool in tools] for repeat in range(repeats)]
    gaps = [percent(abs(sum(first) - sum(second)), len(first)) for first, second in rounds]
    worst = max(range(repeats), key=gaps.__getitem__)
    gap, (first, second) = gaps[worst], rounds[worst]
    pairs = list(zip(first, second, strict=True))
    only_first, only_second = ([n for n, pair in enumerate(pairs) if pair == one] for one in ((1, 0), (0, 1)))
    counts = discordant(first, second)
    record.note(gap_pp=float(gap), gaps_pp=[float(gap) for gap in gaps], repeat=worst)
    record.note(discordant=sum(counts), mcnemar_p=mcnemar_exact(*counts))
    record.note(only_first=only_first, only_second=only_second)
    names = " and ".join(tool.name for tool in tools)
    prompts = f"{sum(counts)} discordant prompts in repeat {worst} of {repeats}, the widest"
    sentence = f"coherent rates of {names} are at most {float(gap):.1f} pp apart, {prompts}"
    assert_holds(record, band_of_gap(gap) == "agrees", sentence)


def refusals(experiment: Experiment, tool: Tool, arm: Arm, repeat: int) -> list[bool]:
    """Whether the tool's answer to each evaluation prompt is a coherent refusal."""
    direction = experiment.direction_to_steer(tool, repeat)
    texts = experiment.model.text(experiment.answers(tool, direction, repeat, arm))
    return refused(texts)


@pytest.mark.clause("B3")
def test_premise(experiment: Experiment, record: Draft) -> None:
    """B3: unsteered, harmful premise prompts are refused and harmless ones are not, by the intervals of both rates; a
    premise that fails under one classifier only is a problem of the classifier."""
    groups = (experiment.prompts.to_refuse(), experiment.prompts.to_answer())
    harmful, harmless = (experiment.model.text(experiment.plain_answers(group)) for group in groups)
    results = {name: premise_under(name, harmful, harmless) for name in sorted(CLASSIFIERS)}
    failed = [name for name, result in results.items() if not result["holds"]]
    record.note(premise=results, own_premise_prompts=experiment.prompts.premise.own, failed_under=failed)
    sentence = "unsteered: " + "; ".join(describe_premise(name, result) for name, result in results.items())
    one_only = 1 == len(failed) < len(results)
    problem = f"classifier problem: the premise fails under {failed[0]} only; {sentence}" if one_only else sentence
    assert_holds(record, one_only or not failed, problem)


def premise_under(classifier: str, harmful: Sequence[str], harmless: Sequence[str]) -> dict[str, Any]:
    """How many unsteered answers of each kind are refusals by one classifier, the intervals in percent, and whether
    the premise holds."""
    kinds = {"harmful": refused(harmful, classifier), "harmless": refused(harmless, classifier)}
    intervals = {kind: wilson_interval(sum(answers), len(answers)) for kind, answers in kinds.items()}
    result: dict[str, Any] = {"holds": premise_holds(intervals["harmful"].low, intervals["harmless"].high)}
    for kind, answers in kinds.items():
        low, high = intervals[kind]
        result |= {f"{kind}_refused": sum(answers), f"{kind}_total": len(answers)}
        result |= {f"{kind}_low": low, f"{kind}_high": high}
    return result


def describe_premise(classifier: str, result: dict[str, Any]) -> str:
    """`strict-v3: 24 of 24 harmful prompts refused [86, 100 %], 0 of 54 harmless [0, 7 %]`."""
    counts = [
        f"{result[f'{kind}_refused']} of {result[f'{kind}_total']} {text} "
        f"[{100 * result[f'{kind}_low']:.0f}, {100 * result[f'{kind}_high']:.0f} %]"
        for kind, text in (("harmful", "harmful prompts refused"), ("harmless", "harmless"))
    ]
    return f"{classifier}: {', '.join(counts)}"


def plain_refusals(experiment: Experiment, prompts: Sequence[str]) -> list[bool]:
    """Whether the unsteered answer to each prompt is a coherent refusal."""
    return refused(experiment.model.text(experiment.plain_answers(prompts)))


@pytest.mark.clause("B4")
def test_control(experiment: Experiment, steering: SteeringMeasurements, record: Draft) -> None:
    """B4: random directions of equal norm draw no more coherent refusals than no steering does, and fewer than the true
    one, by the paired 90 % interval."""
    plain, true = plain_refusals(experiment, experiment.prompts.evaluation), refused(steering.true_answers())
    controls = [refused(steering.random_answers(seed)) for seed in CONTROL_SEEDS]
    shares = {"true": share(true), "unsteered": share(plain), "random": list(map(share, controls))}
    record.note(**{f"coherent_{name}": value for name, value in shares.items()})
    idle = not any(exceeds(control, plain) for control in controls)
    beaten = all(exceeds(true, control) for control in controls)
    along = f"{share(true):.0%} along the true direction, at most {max(map(share, controls)):.0%} along random ones"
    sentence = f"coherent refusals: {along}, {share(plain):.0%} unsteered"
    assert_holds(record, idle and beaten, sentence, f"{sentence}; the result is not about the direction")


def exceeds(first: Sequence[bool], second: Sequence[bool]) -> bool:
    """Whether the paired 90 % interval of the two rates' difference lies above 0."""
    return paired_interval(*discordant(first, second), len(first)).low > 0


def refused(texts: Sequence[str], classifier: str = DEFAULT_CLASSIFIER) -> list[bool]:
    """Whether each answer is a coherent refusal."""
    return [classify(text, classifier) is Quality.COHERENT for text in texts]


def share(answers: Sequence[bool]) -> float:
    """Fraction of coherent refusals."""
    return sum(answers) / len(answers)
