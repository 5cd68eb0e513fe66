"""Mean and standard deviation over repeats of every primary metric, in the verdict and in each report."""

from math import sqrt

import pytest

from reports.page.html import render_page
from reports.page.markdown import render_markdown
from reports.tests.verdicts.verdict_runs import MODELS, full_run, measured, rate
from reports.verdicts import judge
from reports.verdicts.verdict import Metric
from steering_core.records.record import Run

QWEN = MODELS[0]
DISTANCES = [0.0, 1e-4, 2e-4]


def varied() -> Run:
    """hooks refuses 30, 27, 24, 21 and 18 of 30 prompts in the five repeats of its native arm."""
    run = full_run()
    for repeat in range(5):
        run = measured(run, f"B1 {QWEN} hooks native r{repeat}", **rate(30 - 3 * repeat))
        run = measured(run, f"D2 {QWEN} hooks~pyvene r{repeat}", one_minus_cosine=0.001 * repeat)
    return measured(run, f"D1 {QWEN} hooks", norm_mean=92.9, norm_std=0.5, pair_distances=DISTANCES)


def metric(run: Run, name: str, tools: str, arm: str | None = None) -> Metric:
    metrics = judge(run).numbers[0].metrics
    (one,) = [m for m in metrics if (m.name, m.tools, m.arm) == (name, tools, arm)]
    return one


@pytest.mark.parametrize(
    ("name", "tools", "arm", "mean", "sd", "count"),
    [
        ("coherent rate", "hooks", "native", 80, 10 * sqrt(2.5), 5),
        ("normal rate", "hooks", "native", 20, 10 * sqrt(2.5), 5),
        ("garbled rate", "hooks", "native", 0, 0, 5),
        ("coherent rate", "hooks", "reference", 2800 / 30, 0, 5),
        ("cross-tool cosine", "hooks~pyvene", None, 0.002, 0.001 * sqrt(2.5), 5),
        ("within-tool cosine", "hooks", None, 1e-4, 1e-4, 3),
        ("direction norm", "hooks", None, 92.9, 0.5, 5),
    ],
)
def test_mean_and_sample_standard_deviation(
    name: str, tools: str, arm: str | None, mean: float, sd: float, count: int
) -> None:
    one = metric(varied(), name, tools, arm)
    assert (one.mean, one.sd) == pytest.approx((mean, sd), abs=1e-12)
    assert one.count == count


def test_every_tool_arm_and_pair_has_its_metrics() -> None:
    metrics = judge(varied()).numbers[0].metrics
    assert len([m for m in metrics if m.unit == "%"]) == 3 * 3 * 2
    assert len([m for m in metrics if m.name == "cross-tool cosine"]) == 3


def test_single_repeat_has_no_standard_deviation() -> None:
    one = metric(full_run(repeats=1), "coherent rate", "hooks", "native")
    assert (one.sd, one.count) == (None, 1)


def test_older_records_without_norms_or_pairs_are_read() -> None:
    names = {m.name for m in judge(full_run()).numbers[0].metrics}
    assert names == {"coherent rate", "garbled rate", "normal rate", "cross-tool cosine"}


def test_page_and_markdown_show_them() -> None:
    run = varied()
    verdict = judge(run)
    assert "Mean and standard deviation over repeats" in render_page(run, verdict)
    assert "| tiny_qwen2 | coherent rate | hooks | native | % | 80 | 15.8 | 5 |" in render_markdown(run, verdict)
