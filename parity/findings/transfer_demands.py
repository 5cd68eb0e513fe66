"""What every cell of a transfer matrix must show, whatever transfers: else its numbers say nothing about transfer."""

from typing import TYPE_CHECKING

from parity.findings.layer_demands import CLOSE, near, norms_after
from parity.plugin.arguments import Draft
from parity.plugin.assertions import assert_holds
from steering_core.quality.markers import shows_trait

if TYPE_CHECKING:
    from torch import Tensor

    from steering_core.measure.findings.findings import Findings
    from steering_core.measure.findings.rows import ClassRows
    from steering_core.measure.findings.sources import Source
    from steering_core.measure.findings.transfer_sets import TransferSet
    from steering_core.measure.findings.transfers import Measured

ROUNDING = 1e-5
"""Of a cosine and an AUC of float32 directions."""


def demand_source(
    record: Draft, findings: "Findings", measured: "Measured", sets: "tuple[TransferSet, TransferSet]"
) -> None:
    """Cosine and AUC are those of the source's difference of means on the target's held-out prompts, calculated here
    from the rows alone: an AUC is the share of pairs in which the present prompt projects higher."""
    __tracebackhide__ = True
    layer = findings.experiment.settings.layer
    source, target = (findings.extractions.rows(each.trait).layers[layer] for each in sets)
    assert_holds(record, measured.cell.limit is None, "the directions have one hidden size", f"{measured.cell.limit}")
    _demand_numbers(record, measured, _difference(source.positive, source.negative), target)


def demand_between(record: Draft, findings: "Findings", measured: "Measured", source: "Source") -> None:
    """The same between models, from the rows that were kept of the source; these are the source's own, and the counted
    answers are those along its direction."""
    __tracebackhide__ = True
    here, rows = findings.experiment, findings.transfers.own_rows
    taken, own = _difference(*source.rows), _difference(rows.positive, rows.negative)
    if source.key == here.model.spec.key:
        gap = 1 - float(taken @ own / taken.norm() / own.norm())
        words = f"1 - cosine of the direction kept of {source.key} and the one that it gives now: {gap:.1e}"
        assert_holds(record, gap <= ROUNDING, words, f"{words}: not its own")
    elif source.weights != here.weights:
        same = f"the rows kept of {source.key} are those of {here.model.spec.key}, bit for bit"
        assert_holds(
            record, not bool((taken == own).all()), f"the rows kept of {source.key} are not this model's", same
        )
    _demand_numbers(record, measured, taken, rows)
    answers = here.model.text(here.reference_answers((taken / taken.norm()).float(), 0))
    count = sum(shows_trait(answer) for answer in answers)
    steered = measured.cell.control
    assert steered is not None
    told = f"{steered.transferred.successes} of {steered.transferred.n} answers along the source's direction refuse"
    counted = (steered.transferred.successes, steered.transferred.n) == (count, len(answers))
    assert_holds(record, counted, told, f"{told}, counted again {count} of {len(answers)}")


def demand_limit(record: Draft, findings: "Findings", measured: "Measured", source: "Source") -> None:
    """Where hidden sizes differ, there is no number, and they do differ."""
    __tracebackhide__ = True
    cell, sizes = measured.cell, (source.rows.shape[-1], findings.experiment.model.spec.hidden)
    words = f"hidden sizes {sizes[0]} and {sizes[1]}"
    assert_holds(record, sizes[0] != sizes[1], f"{words} differ", f"{words}, and yet: {cell.limit}")
    none = (cell.cosine, cell.detection, cell.control) == (None, None, None)
    assert_holds(record, none, "no number without a common space", f"{words}, and yet there is a number")


def _demand_numbers(record: Draft, measured: "Measured", taken: "Tensor", target: "ClassRows") -> None:
    """Cosine and AUC of a direction on a target's rows."""
    __tracebackhide__ = True
    cell, own = measured.cell, _difference(target.positive, target.negative)
    assert cell.cosine is not None
    assert cell.detection is not None
    cosine = float(taken @ own / taken.norm() / own.norm())
    words = f"cosine {cell.cosine:.6f} of the two directions"
    assert_holds(record, abs(cell.cosine - cosine) <= ROUNDING, words, f"{words}, but {cosine:.6f} by their rows")
    above, below = (_cosines(rows, taken) for rows in (target.held_positive, target.held_negative))
    share = float((above[:, None] > below).double().mean())
    words = f"AUC {cell.detection.value:.4f} on the target's held-out prompts"
    assert_holds(record, abs(cell.detection.value - share) <= ROUNDING, words, f"{words}, but {share:.4f} by pairs")


def demand_controls(record: Draft, measured: "Measured") -> None:
    """Neutral prompts do not show the trait unsteered, a random direction of equal norm does not bring it about, and the
    efficiency is the ratio of the two rates."""
    __tracebackhide__ = True
    steered, plain = measured.cell.control, measured.unsteered
    assert steered is not None
    told = f"{plain.successes} of {plain.n} unsteered answers to neutral prompts show the trait"
    assert_holds(record, plain.successes * 2 < plain.n, told, f"{told}: they are not neutral")
    told = f"{steered.baseline.successes} of {steered.baseline.n} along a random direction"
    works = steered.baseline.is_above(plain)
    assert_holds(record, not works, told, f"{told}, {plain.successes} unsteered: a random direction transfers")
    if steered.efficiency:
        ratio = steered.transferred.successes / steered.own.successes
        told = f"transfer efficiency {steered.efficiency.point:.4f}"
        assert_holds(record, abs(steered.efficiency.point - ratio) <= ROUNDING, told, f"{told}, but {ratio:.4f}")


def demand_strength(record: Draft, findings: "Findings", measured: "Measured", used: "TransferSet") -> None:
    """The perturbation ratios are those of the preset's coefficient at the last tokens of the prompts that are steered."""
    __tracebackhide__ = True
    here = findings.experiment
    strength, blocks = here.settings.strength, here.settings.blocks
    norms = norms_after(here, used.neutral, sorted({blocks[0], blocks[-1]}))
    for name, block, shift in (
        ("ratio", blocks[0], strength),
        ("cumulative_ratio", blocks[-1], strength * len(blocks)),
    ):
        words, expected = f"{name.replace('_', ' ')} {measured.ratios[name]:.4g}", shift / norms[block]
        same = near(measured.ratios[name], expected, CLOSE)
        assert_holds(record, same, words, f"{words}, expected {expected:.4g} for the prompts that are steered")


def demand_own(record: Draft, measured: "Measured") -> None:
    """On the diagonal, the direction detects and controls: what does not work at home cannot be said to transfer."""
    __tracebackhide__ = True
    cell = measured.cell
    assert_holds(
        record, cell.detects, "the own direction detects", f"the own direction does not detect: {cell.sentence}"
    )
    assert_holds(
        record, cell.controls, "the own direction controls", f"the own direction does not control: {cell.sentence}"
    )


def _difference(positive: "Tensor", negative: "Tensor") -> "Tensor":
    return positive.double().mean(0) - negative.double().mean(0)


def _cosines(rows: "Tensor", axis: "Tensor") -> "Tensor":
    wide = rows.double()
    return wide @ axis / wide.norm(dim=1)
