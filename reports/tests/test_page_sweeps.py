"""The sweeps on the page: what their figures and tables show, and that they appear only where something was measured."""

import subprocess
import sys
from collections.abc import Mapping

import pytest

from reports.page.drawing import Drawing
from reports.page.html import render_page
from reports.page.markdown import render_markdown
from reports.page.svg import Canvas
from reports.page.sweep_drawings import draw_sweeps
from reports.page.sweep_tables import sweep_tables
from reports.tests.parsed_page import Parsed, parsed
from reports.tests.sweep_run import PROMPTS, measured, only, swept
from reports.tests.synthetic_run import agreeing
from reports.tests.test_page_safety import CONTROL, NASTY
from reports.verdicts import judge
from steering_core.errors import ArtifactProblem
from steering_core.places import ROOT
from steering_core.records.record import Outcome, Run

DEPTHS, HEAT = "Rates against depth", "Coherent refusals by depth and multiplier"
COSINES, BANDS = "COSMIC's direction beside the difference of means", "Working band of multipliers"
SIZES, PRECISION = "Rates against model size", "Rates by precision"
ONE = swept(("qwen7b",))


def drawn(run: Run) -> Mapping[str, list[Drawing]]:
    return draw_sweeps(Canvas(), run)


def test_section_and_link_appear_only_with_sweeps() -> None:
    assert "sweeps" in {attributes.get("id") for _, attributes in parsed(swept).tags}
    assert parsed(swept).all("a", href="#sweeps")
    assert "sweeps" not in {attributes.get("id") for _, attributes in parsed(agreeing).tags}
    assert not parsed(agreeing).all("a", href="#sweeps")
    assert "(W1)" in render_markdown(swept(), judge(swept()))
    assert "(W1)" not in render_markdown(agreeing(), judge(agreeing()))


@pytest.mark.parametrize(
    ("clause", "headings"), [("W1", [DEPTHS, HEAT, COSINES]), ("W2", [SIZES]), ("W3", [PRECISION]), ("W4", [BANDS])]
)
def test_each_sweep_has_its_own_figures(clause: str, headings: list[str]) -> None:
    assert list(drawn(only(ONE, clause))) == headings
    assert len(sweep_tables(only(ONE, clause).records)) == 1


def test_sweep_that_crashed_is_not_drawn() -> None:
    def crash(*clauses: str) -> Run:
        empty = {"outcome": Outcome.ERRORED, "measured": {}}
        records = (r.model_copy(update=empty if r.cell.clause in clauses else {}) for r in ONE.records)
        return ONE.model_copy(update={"records": tuple(records)})

    assert list(drawn(crash("W1", "W2", "W4"))) == [PRECISION]
    assert drawn(crash("W1", "W2", "W3", "W4")) == {}


def test_depths_have_a_line_with_intervals_per_class_and_multiplier() -> None:
    dim, cosmic = drawn(only(ONE, "W1"))[DEPTHS]
    assert dim.svg.count("LineCollection_") == 3 * 3
    assert all(f">{name}<" in dim.svg for name in ("10x", "15x", "25x", "coherent, %", "garbled, %", "normal, %"))
    assert "60 % depth at 15x: coherent 80 %, garbled 0 %, normal 20 %" in dim.svg
    assert dim.caption == (
        "qwen7b (reference), dim: best at 60 % depth (block 16), 15x, 80 % coherent [49, 94], 0 % garbled of 10 prompts"
    )
    assert cosmic.caption.startswith("qwen7b (reference), cosmic: best at ")


def test_heat_map_shows_coherent_and_garbled_of_every_condition() -> None:
    (heat,) = drawn(only(ONE, "W1"))[HEAT]
    assert [heat.svg.count(f">{text}<") for text in ("10", "g 90", "40", "g 10", "80")] == [1, 1, 2, 1, 1]
    assert heat.svg.count(">g 20<") == 3 * 5, "the conditions at other strengths and of COSMIC"
    assert "dim 20 % 15x 10 %" in heat.svg


def test_heat_map_leaves_a_missing_condition_empty() -> None:
    missing = tuple(record for record in only(ONE, "W1").records if record.cell.variant != "60-dim-15")
    (heat,) = drawn(ONE.model_copy(update={"records": missing}))[HEAT]
    assert ">80<" not in heat.svg


def test_one_multiplier_needs_no_heat_map() -> None:
    one = tuple(record for record in only(ONE, "W1").records if str(record.cell.variant).endswith("15"))
    assert list(drawn(ONE.model_copy(update={"records": one}))) == [DEPTHS, COSINES]


def test_cosines_are_of_cosmic_at_each_block() -> None:
    (cosines,) = drawn(only(ONE, "W1"))[COSINES]
    assert [f">{value}<" in cosines.svg for value in ("0.25", "0.55", "0.80", "1.00")] == [True, True, True, False]
    assert cosines.caption == "qwen7b (reference): largest cosine 0.800 at block 16"


def test_band_says_where_steering_works_fails_and_breaks() -> None:
    run = only(ONE, "W4")
    assert [band.caption for band in drawn(run)[BANDS]] == [
        f"qwen7b (reference), {method}, from block 16 on: works from 12.5x to 20x, fails at 10x and 25x; "
        "answers break from 25x"
        for method in ("dim", "cosmic")
    ]
    (whole, _) = drawn(measured(run, 0, low=[None, 5.0], high=[50.0, None], breaks=None, gaps=[30.0]))[BANDS]
    assert whole.caption.endswith("works from 5x to 50x, except at 30x, the whole measured range")
    (never, _) = drawn(measured(run, 0, low=None, high=None))[BANDS]
    assert never.caption.endswith("no measured multiplier works; answers break from 25x")
    assert [">works<" in band.svg for band in (whole, never)] == [True, False]


def test_a_band_has_the_perturbation_ratios_of_its_ends() -> None:
    """12.5x and 20x of a direction that is a fiftieth of the activations at 1x; older records have none."""
    run = only(ONE, "W4")
    older = measured(run, 0, ratios={})
    (table,), (before,) = (sweep_tables(each.records) for each in (run, older))

    assert table.columns[-2:] == ("ratio from", "ratio to")
    assert [row[-2:] for row in table.rows] == [(0.25, 0.4), (0.25, 0.4)]
    assert before.rows[0][-2:] == (None, None)


def test_sizes_are_grouped_by_family() -> None:
    qwen, gemma = drawn(only(swept(), "W2"))[SIZES]
    assert ">qwen3b<" in qwen.svg
    assert ">7.6B<" in qwen.svg
    assert qwen.caption.startswith("qwen2 family (reference)")
    assert qwen.caption.endswith("2 sizes say little about the shape")
    assert gemma.caption.endswith("1 size says little about the shape")


def test_precisions_stand_beside_each_other_in_both_modes() -> None:
    (bars,) = drawn(only(ONE, "W3"))[PRECISION]
    assert [bars.svg.count(f">{name}<") for name in ("full", "int8", "nf4", "re-extracted", "full applied")] == [
        *(2, 2, 2),
        *(3, 3),
    ]
    assert "int8 0.994 (preserved), nf4 0.850 (not preserved)" in bars.caption


def test_tools_are_kept_apart() -> None:
    other = swept(("qwen7b",), tool="nnsight")
    both = ONE.model_copy(update={"records": (*ONE.records, *other.records)})
    captions = [drawing.caption for drawing in drawn(both)[DEPTHS]]
    assert [caption.partition(",")[0] for caption in captions] == ["qwen7b (reference)"] * 2 + ["qwen7b (nnsight)"] * 2


def test_tables_hold_every_condition_with_its_interval() -> None:
    layers, bands, sizes, precisions = sweep_tables(ONE.records)
    assert [len(table.rows) for table in (layers, bands, sizes, precisions)] == [18, 2, 2, 6]
    row = dict(zip(layers.columns, next(r for r in layers.rows if r[2:6] == ("dim", 60, 16, 15)), strict=True))
    assert row["coherent %"] == 80.0
    assert (row["low"], row["high"]) == pytest.approx((49.02, 94.33), abs=0.01), "Wilson's interval of 8 of 10"
    assert (row["garbled %"], row["normal %"], row["distinct prompts"]) == (0.0, 20.0, PROMPTS)


@pytest.mark.parametrize("text", NASTY.values(), ids=NASTY)
def test_hostile_names_are_only_text(text: str) -> None:
    run = swept(("qwen7b",))
    for index, record in enumerate(run.records):
        names = {name: text for name in ("method", "precision", "origin") if name in record.measured}
        run = measured(run, index, **names)
    page = render_page(run, judge(run))
    found = Parsed(page)
    assert len(found.all("script")) == 1
    names = {name for _, attributes in found.tags for name in attributes}
    assert not [name for name in names if name.startswith("on") or name == "style"]
    assert not CONTROL.search(page)
    outside = render_markdown(run, judge(run)).replace("<!-- -->", "")
    assert "<" not in outside


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"coherent": 3}, "W1 qwen7b 20-dim-10: counts: Value error, 8 classes of 10 answers"),
        ({"strength": "15"}, "W1 qwen7b 20-dim-10: strength: Input should be a valid number"),
        ({"unique": 0}, "W1 qwen7b 20-dim-10: unique: Input should be greater than 0"),
        ({"depth": 10**30}, "W1 qwen7b 20-dim-10: depth: Input should be less than or equal to 100"),
    ],
)
def test_unreadable_numbers_are_one_line(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ArtifactProblem) as raised:
        drawn(measured(ONE, 0, **changes))
    assert str(raised.value).startswith(message)
    assert "\n" not in str(raised.value)


def test_a_run_without_sweeps_draws_nothing() -> None:
    program = (
        "import sys\nfrom reports.page.svg import Canvas\nfrom reports.page.sweep_drawings import draw_sweeps\n"
        "from reports.tests.synthetic_run import agreeing\n"
        "assert draw_sweeps(Canvas(), agreeing()) == {} and 'matplotlib' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
