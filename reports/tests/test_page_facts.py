"""What the page says about the tools of a run."""

from reports.page.facts import tool_versions
from reports.page.html import render_page
from reports.page.markdown import render_markdown
from reports.page.overview import count_checks, overview
from reports.page.view import view_run
from reports.tests.finding_runs import finding_run
from reports.tests.synthetic_run import agreeing
from reports.verdicts import judge
from reports.verdicts.commands import run_command
from steering_core.records.record import Cell, Outcome, Record, Run, Value


def run_with(entry: dict[str, Value]) -> Run:
    """A run whose first record was measured with hooks of this description, and whose other records name no tool."""
    first, *rest = (record.model_copy(update={"provenance": {}}) for record in agreeing().records)
    return agreeing().model_copy(
        update={"records": (first.model_copy(update={"provenance": {"tools": {"hooks": entry}}}), *rest)}
    )


def test_a_tool_of_a_file_is_named_before_its_library() -> None:
    library = {"distribution": "torch", "version": "2.13.0", "location": "torch/__init__.py"}
    own = {"file": "mine.py", "sha256": "0123", "package": "not of an installed package"}

    assert tool_versions(run_with(library))["hooks"] == "torch 2.13.0, from torch/__init__.py"
    assert tool_versions(run_with(library | own))["hooks"] == (
        "mine.py (sha256 0123, not of an installed package), on torch 2.13.0, from torch/__init__.py"
    )
    assert tool_versions(run_with(library))["pyvene"] == "version not recorded"


def test_audits_of_the_records_are_counted_only_where_they_fail() -> None:
    run = agreeing()
    audits = tuple(Record(cell=Cell(clause="V1", model=name), outcome=Outcome.AGREES) for name in run.plan.models)
    failed = audits[0].model_copy(update={"outcome": Outcome.DIFFERS})
    counts = count_checks(run)

    assert count_checks(run.model_copy(update={"records": (*run.records, *audits)})) == counts
    audited = overview(run.model_copy(update={"records": (*run.records, *audits)}))
    assert audited == overview(run), "the table of models and tools counts as the headline does"
    assert ("differs", 1, "1 fails") in count_checks(run.model_copy(update={"records": (*run.records, failed)}))


def test_a_planned_check_without_a_record_is_counted() -> None:
    run = agreeing()
    fewer = run.model_copy(update={"records": run.records[2:]})
    assert ("no-record", 2, "2 without a record") in count_checks(fewer)
    assert sum(number for _, number, _ in count_checks(fewer)) == len(run.plan.planned)


def test_a_run_without_a_tool_names_none() -> None:
    """Findings and sweeps by the reference: what passed there, no tool has passed."""
    run = finding_run()
    report = view_run(run, judge(run))

    assert (report["columns"], report["versions"]) == (("checks",), {})
    assert [[count.total for count in row.tools] for row in report["overview"]] == [[1]]
    for text in (render_page(run, judge(run)), render_markdown(run, judge(run))):
        assert "1 of 1 pass" in text
        assert "for every tool" not in text
        assert "version not recorded" not in text
    named = view_run(agreeing(), judge(agreeing()))
    assert named["columns"] == agreeing().plan.tools


def test_findings_are_repeated_by_their_files() -> None:
    """`pytest parity` alone leaves them out."""
    found = finding_run()
    records = tuple(
        each.model_copy(update={"nodeid": "parity/findings/test_x.py::test_f1[a b]"}) for each in found.records
    )
    run = found.model_copy(update={"records": records})

    assert run_command(run).startswith("pytest parity/findings/test_x.py -m tiny_qwen2 ")


def test_one_check_is_no_plural() -> None:
    run = agreeing()
    one = run.model_copy(
        update={
            "records": run.records[:1],
            "plan": run.plan.model_copy(update={"required": (), "planned": (run.records[0].cell,)}),
        }
    )
    assert ">1 check</h2>" in render_page(one, judge(one))
    assert "\n1 check: " in render_markdown(one, judge(one))
