"""Strength, notes and scope of a verdict, and records that the rules refuse."""

import pytest

from reports.tests.verdicts.verdict_runs import MODELS, TOOLS, added, ended, full_run, measured, plan, rate
from reports.verdicts import judge
from steering_core.errors import ArtifactProblem
from steering_core.records.record import Cell, Outcome, Record, Run, Value

QWEN, GEMMA = MODELS


def versions(of: dict[str, list[str]]) -> Run:
    """The full run, whose first records of each model name these versions of hooks."""
    left = {model: list(names) for model, names in of.items()}
    records = (
        r.model_copy(update={"provenance": {"tools": {"hooks": {"version": left[r.cell.model].pop(0)}}}})
        if left[r.cell.model]
        else r
        for r in full_run().records
    )
    return full_run().model_copy(update={"records": tuple(records)})


def test_a_tool_whose_version_changes_between_checks_of_a_model_is_refused() -> None:
    with pytest.raises(ArtifactProblem, match=r"was measured with hooks 2, .* with hooks 1 \(mixed-versions\)"):
        judge(versions({QWEN: ["1", "2"], GEMMA: ["1"]}))


class TestStrength:
    def test_equal_tokens_are_equal_by_construction(self) -> None:
        strength = judge(full_run()).strength
        assert strength.kind == "token-identical"
        assert strength.lines[0].startswith("tiny_qwen2: within each arm all answers are equal token for token")

    def test_arms_may_differ_from_each_other(self) -> None:
        run = measured(full_run(), "B1 * native r*", **rate(28, tokens="other"))
        assert judge(run).strength.kind == "token-identical"

    @pytest.mark.parametrize("cell", [f"B1 {GEMMA} pyvene native r4", f"B1 {GEMMA} hooks reference r0"])
    def test_equal_rates_are_not_equal_tokens(self, cell: str) -> None:
        verdict = judge(measured(full_run(), cell, **rate(28, tokens="other")))
        assert verdict.strength.kind == "intervals"
        assert [entry.token_identical for entry in verdict.numbers] == [True, False]
        assert "discordant prompts: 0, exact McNemar p = 1;" in verdict.strength.lines[1]

    def test_single_tool_has_no_strength(self) -> None:
        verdict = judge(full_run(tools=("hooks",)))
        assert verdict.strength.kind == "not measured"
        assert not verdict.numbers[0].token_identical

    def test_gap_lists_intervals_discordant_prompts_and_thresholds_in_prompts(self) -> None:
        line = judge(measured(full_run(), f"B1 {QWEN} pyvene native r1", **rate(26))).strength.lines[0]
        assert "hooks 28/30 [25.0, 75.0] % against pyvene 26/30 [25.0, 75.0] %" in line
        assert "(hooks~pyvene, native arm, repeat 1)" in line
        assert "discordant prompts: 2 (26, 27), exact McNemar p = 0.5;" in line
        assert line.endswith("at n = 30, 5 pp is 1 prompt and more than 20 pp is 7 prompts")

    def test_discordant_prompts_count_in_both_directions(self) -> None:
        numbers = {**rate(28), "classes": "NNNN" + "C" * 26, "coherent": 26, "normal": 4, "tokens_sha256": "other"}
        line = judge(measured(full_run(), f"B1 {QWEN} pyvene native r1", **numbers)).strength.lines[0]
        assert "discordant prompts: 6 (0, 1, 2, 3, 28, 29), exact McNemar p = 0.688" in line

    def test_only_ten_prompts_are_listed(self) -> None:
        line = judge(measured(full_run(), f"B1 {QWEN} pyvene native r1", **rate(3))).strength.lines[0]
        assert "discordant prompts: 25 (3, 4, 5, 6, 7, 8, 9, 10, 11, 12, ...)" in line

    def test_ten_prompts_are_all_listed_and_thresholds_follow_the_total(self) -> None:
        run = measured(full_run(), f"B1 {QWEN} *", **rate(20, total=20))
        line = judge(measured(run, f"B1 {QWEN} pyvene native r1", **rate(10, total=20))).strength.lines[0]
        assert "discordant prompts: 10 (10, 11, 12, 13, 14, 15, 16, 17, 18, 19), exact" in line
        assert line.endswith("at n = 20, 5 pp is 1 prompt and more than 20 pp is 5 prompts")

    def test_rate_names_its_number_of_different_prompts(self) -> None:
        run = measured(full_run(), f"B1 {QWEN} * r*", unique=10)
        line = judge(measured(run, f"B1 {QWEN} pyvene native r1", tokens_sha256="other")).strength.lines[0]
        assert "hooks 28/30 of 10 different prompts [25.0, 75.0] %" in line


class TestNotes:
    def test_unscored_answers_are_noted_as_not_coherent(self) -> None:
        verdict = judge(measured(full_run(), f"B1 {QWEN} pyvene native r1", **rate(27, unscored=3)))
        assert verdict.notes == ("3 of 900 answers of tiny_qwen2 could not be classified; they count as not coherent",)

    @pytest.mark.parametrize(
        ("pattern", "noted"),
        [(f"D3 {QWEN}", True), (f"D2 {QWEN} hooks~nnsight r0", False), (f"D1 {QWEN} hooks", False)],
    )
    def test_failures_that_no_rule_weighs_are_noted(self, pattern: str, noted: bool) -> None:
        assert bool(judge(ended(full_run(), pattern, Outcome.DIFFERS, "odd")).notes) is noted

    def test_failure_of_a_pair_names_both_tools(self) -> None:
        cell = Cell(clause="D4", model=QWEN, tool="hooks", other="pyvene")
        verdict = judge(added(full_run(), Record(cell=cell, outcome=Outcome.DIFFERS, sentence="odd")))
        assert verdict.notes == ("D4 fails for hooks~pyvene on tiny_qwen2: odd",)


class TestScope:
    def provenance(self, record: Record) -> dict[str, Value]:
        named = [name for name in (record.cell.tool, record.cell.other) if name]
        tools = {name: {"distribution": name, "version": "1.2", "location": ""} for name in named}
        return {"site": "resid_post@4", "prompts": "0123456789abcdef", "preset": "fixture", "tools": tools}

    def test_scope_names_models_tools_versions_sites_and_prompts(self) -> None:
        run = full_run()
        records = tuple(record.model_copy(update={"provenance": self.provenance(record)}) for record in run.records)
        scope = judge(run.model_copy(update={"records": records})).scope
        assert scope.models == MODELS
        assert scope.tools == dict.fromkeys(TOOLS, "1.2")
        assert scope.sites == ("resid_post@4",)
        assert scope.prompts == "30 evaluation prompts (set 0123456789ab)"
        assert "; sites resid_post@4; 30 evaluation prompts" in scope.sentence
        assert scope.sentence.endswith("preset fixture.")

    def test_versions_of_a_tool_that_differ_between_models_are_both_named(self) -> None:
        assert judge(versions({QWEN: ["2", "2"], GEMMA: ["1"]})).scope.tools["hooks"] == "1 and 2"

    def test_several_sites_and_prompt_sets_are_listed_in_order(self) -> None:
        run = measured(full_run(), f"B1 {GEMMA} *", **rate(20, total=20))
        provenance = [{"site": f"resid_post@{n}", "prompts": f"set-{n}"} for n in range(9, 0, -1)]
        changed = [r.model_copy(update={"provenance": p}) for r, p in zip(run.records, provenance, strict=False)]
        scope = judge(run.model_copy(update={"records": (*changed, *run.records[9:])})).scope
        assert scope.sites == tuple(f"resid_post@{n}" for n in range(1, 10))
        assert scope.prompts == f"20 or 30 evaluation prompts (set {' and '.join(f'set-{n}' for n in range(1, 10))})"

    def test_scope_names_the_file_of_a_tool_instead_of_its_library(self) -> None:
        run = full_run()
        own = {"distribution": "torch", "version": "2.13.0", "file": "some/where/mine.py", "sha256": "0123456789abcdef"}
        tables = {"tools": {"hooks": own, "pyvene": {"distribution": "pyvene", "version": "0.1.8"}}}
        records = tuple(record.model_copy(update={"provenance": tables}) for record in run.records)
        scope = judge(run.model_copy(update={"records": records})).scope
        assert scope.tools["hooks"] == "mine.py (sha256 0123456789ab)"
        assert scope.tools["pyvene"] == "0.1.8"
        assert "hooks mine.py (sha256 0123456789ab)" in scope.sentence
        own["file"] = "some/where/mypkg/__init__.py"
        scope = judge(run.model_copy(update={"records": records})).scope
        assert scope.tools["hooks"] == "mypkg/__init__.py (sha256 0123456789ab)", "whose file, of the many of that name"

    def test_warnings_about_prompts_are_notes(self) -> None:
        run = full_run()
        warnings = [f"prompt occurs 2 times: {n}" for n in range(7)]
        records = tuple(r.model_copy(update={"provenance": {"prompt_warnings": warnings}}) for r in run.records)
        notes = judge(run.model_copy(update={"records": records})).notes
        assert notes == (*warnings[:5], "and 2 more warnings about the prompts, in the provenance")

    def test_scope_leaves_out_models_and_tools_without_a_measurement(self) -> None:
        run = ended(full_run(), f"* {GEMMA}*", Outcome.ERRORED, "out of memory", measured={})
        scope = judge(ended(run, "* *pyvene*", Outcome.ABSENT, "not installed", measured={})).scope
        assert (scope.models, tuple(scope.tools)) == ((QWEN,), ("hooks", "nnsight"))
        assert scope.sentence.startswith("Covers only tiny_qwen2; hooks version not recorded, nnsight version not")

    def test_run_without_a_measurement_covers_nothing(self) -> None:
        scope = judge(ended(full_run(), "*", Outcome.ERRORED, "out of memory", measured={})).scope
        assert scope.sentence == "Nothing was measured, so this covers nothing."

    def test_scope_says_what_was_not_recorded(self) -> None:
        scope = judge(full_run()).scope
        assert set(scope.tools.values()) == {"version not recorded"}
        assert "sites not recorded" in scope.sentence


class TestRefused:
    def test_cosine_above_one_is_refused(self) -> None:
        with pytest.raises(ArtifactProblem, match=r"D1 tiny_qwen2 hooks has cosine 1\.0000000596"):
            judge(measured(full_run(), f"D1 {QWEN} hooks", one_minus_cosine=-5.96e-8))

    @pytest.mark.parametrize("one_minus_cosine", [-1.01e-12, 2.1])
    def test_cosine_out_of_range_is_refused(self, one_minus_cosine: float) -> None:
        with pytest.raises(ArtifactProblem, match="between -1 and 1"):
            judge(measured(full_run(), f"D2 {QWEN} hooks~nnsight r0", one_minus_cosine=one_minus_cosine))

    @pytest.mark.parametrize("one_minus_cosine", [-0.99e-12, 0, 2.0])
    def test_cosine_out_of_range_by_rounding_is_accepted(self, one_minus_cosine: float) -> None:
        judge(measured(full_run(), f"D2 {QWEN} hooks~nnsight r0", one_minus_cosine=one_minus_cosine))

    @pytest.mark.parametrize(
        ("pattern", "field", "value"),
        [
            (f"D1 {QWEN} hooks", "one_minus_cosine", None),
            (f"D1 {QWEN} hooks", "one_minus_cosine", "0.0"),
            (f"D1 {QWEN} hooks", "one_minus_cosine", True),
            (f"D1 {QWEN} hooks", "repeats", None),
            (f"D1 {QWEN} hooks", "repeats", 5.0),
            (f"B1 {QWEN} hooks native r0", "coherent", -1),
            (f"B1 {QWEN} hooks native r0", "coherent", True),
            (f"B1 {QWEN} hooks native r0", "tokens_sha256", ""),
            (f"B1 {QWEN} hooks native r0", "classes", 3),
            (f"B1 {QWEN} hooks native r0", "low", None),
        ],
    )
    def test_missing_or_mistyped_number_is_refused(self, pattern: str, field: str, value: Value) -> None:
        with pytest.raises(ArtifactProblem, match=f"{pattern} has {field}"):
            judge(measured(full_run(), pattern, **{field: value}))

    @pytest.mark.parametrize(
        "numbers",
        [
            {"coherent": 27, "normal": 3},
            {"total": 31},
            {"garbled": 1},
            {"classes": "C" * 28},
            {"coherent": 0, "normal": 0, "total": 0, "classes": "N"},
        ],
    )
    def test_contradicting_counts_are_refused(self, numbers: dict[str, Value]) -> None:
        with pytest.raises(ArtifactProblem, match="must match"):
            judge(measured(full_run(), f"B1 {QWEN} hooks native r0", **numbers))

    def test_different_numbers_of_prompts_are_refused(self) -> None:
        with pytest.raises(ArtifactProblem, match="answered 30 prompts and pyvene 29 in the native arm"):
            judge(measured(full_run(), f"B1 {QWEN} pyvene native r0", **rate(28, total=29)))

    def test_two_records_of_one_cell_are_refused(self) -> None:
        with pytest.raises(ArtifactProblem, match="P1 tiny_qwen2 hooks has two records"):
            judge(added(full_run(), full_run().records[0]))

    @pytest.mark.parametrize(
        "cell", [Cell(clause="P1", model="other", tool="hooks"), Cell(clause="P1", model=QWEN, tool="other")]
    )
    def test_record_of_another_run_is_refused(self, cell: Cell) -> None:
        with pytest.raises(ArtifactProblem, match="is not of this run"):
            judge(added(full_run(), Record(cell=cell)))

    def test_unknown_clause_is_refused(self) -> None:
        unknown = Cell(clause="Z9", model=QWEN, tool="hooks")
        with pytest.raises(ArtifactProblem, match="Z9 tiny_qwen2 hooks has no known clause"):
            judge(added(full_run(), Record(cell=unknown)))
        with pytest.raises(ArtifactProblem, match="no known clause"):
            judge(plan(full_run(), required=(*full_run().plan.required, unknown)))

    def test_records_of_an_undeclared_preset_are_refused(self) -> None:
        record = full_run().records[0].model_copy(update={"provenance": {"preset": "phase1"}})
        mixed = full_run().model_copy(update={"records": (record, *full_run().records[1:])})
        with pytest.raises(ArtifactProblem, match="measured under preset phase1"):
            judge(mixed)
        assert judge(plan(mixed, preset="fixture+phase1")).notes == (
            "the models ran under different presets (fixture, phase1); compare each model only with itself",
        )
