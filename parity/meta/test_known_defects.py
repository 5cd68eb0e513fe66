"""Every known defect that the pinned libraries still have is caught by its clause."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from fixtures.faults import FAULTS
from fixtures.faults.registry import HERE as ZOO
from parity.meta.defects.plain_hooks import checkpointing
from parity.meta.fault_matrix import signs
from parity.meta.shares import in_part
from parity.plugin.harness import LoadedCheckpoint, run_checks
from steering_core.records.record import Record

HERE = Path(__file__).resolve().parent / "defects"


@dataclass(frozen=True)
class Case:
    """A defect by its name in the catalog: the faulty tool, and the phrases that the failing checks must contain.

    clauses: those that must fail. passing: those that must hold. setting: the model that the tool is tested on.
    """

    defect: str
    tool: str
    clauses: str
    phrases: tuple[str, ...] = ()
    passing: str = ""
    setting: str = "tiny_qwen2"

    @property
    def spec(self) -> str:
        """The value of `--tool` that selects it."""
        file, _, name = self.tool.partition(":")
        folder = HERE if (HERE / f"{file}.py").is_file() else ZOO
        return f"{folder / file}.py:{name}"


CASES = (
    Case("PV1", "libraries:PyveneUndeclared", "P9", ("hooks: removed from 2 places, first model.",), "P1 P11 S2"),
    Case("PV8", "libraries:PyveneUndeclared", "P9", ("flags: changed in", "requires_grad")),
    Case("PV3", "libraries:TwoPositions", "P1 P2", ("features split over rows",)),
    Case("PV7", "libraries:DefaultPhase", "S2 S5 S6", ("in the prompt",), "P1"),
    Case("PV7", "libraries:GivenPositions", "S2 S6", ("in the answers",), "P1 S5"),
    Case("NN1", "libraries:NnsightUndeclared", "P9", ("forward: added to", "by steering"), "P1 P11 P12 S2"),
    Case("NN2", "libraries:NnsightUndeclared", "P1", ("before the hooks on it",), "", "steered"),
    Case("NN3", "libraries:FirstOutput", "P1 P2", ("row 0 only",)),
    Case("NN3", "libraries:TutorialSteering", "S2 S5 S6", ("tokens not shifted",), "P1"),
    Case("NN4", "libraries:SavedOutput", "P8", ("the model's own memory",), "P1 P2"),
    Case("HF1", "plain_hooks:HiddenStates", "P1", ("before the hooks on it",), "", "steered later"),
    Case("HF2", "plain_hooks:FirstElement", "P1 P2", ("row 0 only",)),
    Case("HF3", "plain_hooks:HiddenStates", "P1", ("after the final norm",), "P4"),
    Case("HF4", "reading:ModuleForContribution", "P1 P5", ("another stream",), "P4", "tiny_gemma2"),
    Case("HF6", "plain_hooks:NoPositions", "P1 P4 P10", (), "P2 P3", "gpt2"),
    Case("HF7", "plain_hooks:EmbeddingModule", "P1 P5", ("the embedding output",), "P4", "block 0"),
    Case("HF10", "plain_hooks:Hooked", "P12", ("the same call again",), "P2", "dropout"),
    Case("HF11", "plain_steering:Beams", "S4", (), "P1"),
    Case("HF12", "plain_hooks:Checkpointed", "P9", ("flags: changed in", "gradient checkpointing of"), "P1"),
    Case("HF13", "plain_steering:Compiled", "S4", (), "P1"),
    Case("HF14", "plain_hooks:NoAttentionMask", "P1 P10"),
    Case("RH1", "plain_steering:FirstThree", "S2 S6"),
    Case("RH2", "plain_steering:LastOfCall", "S2 S6", (), "S5"),
    Case("RH3", "plain_steering:WhenSingle", "S3 S6"),
    Case("RH4", "plain_steering:WhenSeveral", "S2 S6"),
    Case("RH7", "plain_hooks:CenteredInPlace", "P1 P5", ("resid_post@1 of 73 sites asked for together",), "P4"),
    Case("RH9", "plain_hooks:InputsInPlace", "P9", ("inputs: changed in 1 place, first the token ids",), "P1"),
    Case("RH10", "plain_hooks:LateBinding", "P1 P5", ("off by 7 blocks",)),
    Case("TK1", "plain_hooks:TokenizedAgain", "P1 P2 P4", (), "", "tiny_gemma2"),
    Case("TK2", "plain_hooks:CountedLast", "P4"),
    Case("TK2", "tokens:LastColumn", "P4"),
    Case("TK3", "plain_hooks:PooledPadding", "P1", ("mean over tokens, padding included",)),
    Case("DT2", "plain_steering:WideSum", "S8", ("not the declared arithmetic",), "P1", "bfloat16"),
    Case("DT2", "plain_steering:TenSmallSums", "S8", ("not the declared arithmetic",), "P1", "bfloat16"),
)
SHARED = [pytest.param(case, marks=in_part(number, 6)) for number, case in enumerate(CASES)]
ELSEWHERE = {"NT1": "ModuleForContribution", "TL5": "ConfigChanged", "TL6": "CenteredInPlace", "RP1": "HiddenStates"}
ELSEWHERE |= {"RP3": "PostNormLast", "SV1": "FirstThreeTokens", "SV2": "KeepsReference", "SV3": "NeverSteers"}
ELSEWHERE |= {"IB1": "RowZeroSteered", "IB2": "KeepsReference", "IB5": "SteersBlockBefore"}
ELSEWHERE |= {"N6": "UnsteeredPrefix", "N8": "SortedRows", "N10": "SteersBeforeNorm", "N13": "UnscaledEmbeddings"}
ELSEWHERE |= {"N14": "AllZeros", "N15": "NoMask", "N17": "TrainMode", "N23": "NormedMiddle", "N25": "NoWindow"}
ELSEWHERE |= {"N28": "LastRowForLastToken", "N30": "AppliedTwice", "N33": "KeepsNorm", "N37": "AttentionBuffer"}
ELSEWHERE |= {"N39": "FinalNormInput", "N42": "PhasesIgnored"}
"""Defects of libraries that are not installed here (nnterp, TransformerLens, repeng, steering-vectors, IBM's
activation-steering, vLLM and what steers it) -> the faulty tool of this suite that has the same defect."""


class DefectSettings:
    """Opens the settings that defects are tested in; each model is loaded once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.checkpoints: dict[tuple[str, str], LoadedCheckpoint] = {}

    def checkpoint(self, key: str, dtype: str = "") -> LoadedCheckpoint:
        """A tiny checkpoint in a dtype."""
        if (key, dtype) not in self.checkpoints:
            self.checkpoints[key, dtype] = LoadedCheckpoint(key, self.folder / f"{key}-{dtype}", dtype)
        return self.checkpoints[key, dtype]

    def open(self, setting: str) -> Any:
        """An experiment on a new copy of the model."""
        if setting in ("gpt2", "block 0", "dropout"):
            return self.random(0 if setting == "block 0" else 1, train=setting == "dropout")
        experiment = self.checkpoint(
            setting if setting.startswith("tiny") else "tiny_qwen2", self.dtype(setting)
        ).experiment()
        if setting == "steered later":
            experiment.model.module(**experiment.extraction.inputs(), output_hidden_states=True)
        if setting.startswith("steered"):
            block = experiment.model.blocks[experiment.settings.layer]
            block.register_forward_hook(lambda module, args, output: output + 5)
        return experiment

    @staticmethod
    def dtype(setting: str) -> str:
        return setting if setting == "bfloat16" else ""

    def random(self, layer: int, train: bool) -> Any:
        """A random GPT-2, which has absolute positions and dropout."""
        from steering_core.measure.experiment import Experiment
        from steering_core.measure.store import Store
        from steering_core.tests.chat_checkpoint import PROMPTS, SETTINGS, word_tokenizer
        from steering_core.tests.random_models import random_model

        model = replace(random_model("gpt2"), tokenizer=word_tokenizer())
        model.module.train(train)
        settings = replace(SETTINGS, layer=layer)
        return Experiment(model, settings, PROMPTS, Store(self.folder / "gpt2"), "random")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> DefectSettings:
    return DefectSettings(tmp_path_factory.mktemp("defects"))


def tried(bench: DefectSettings, setting: str, spec: str, clauses: str) -> list[Record]:
    """The records of some clauses, gate open."""
    return run_checks(bench.open(setting), spec, lambda check: check.clause in clauses.split(), gated=False)


@pytest.mark.parametrize("case", SHARED, ids=lambda case: f"{case.defect}-{case.tool.partition(':')[2]}")
def test_a_known_defect_is_caught(case: Case, bench: DefectSettings) -> None:
    records = tried(bench, case.setting, case.spec, f"{case.clauses} {case.passing}")
    sentences = " ".join(record.sentence for record in records)

    assert {clause: sign for clause, sign in signs(records).items() if clause in case.clauses.split()} == {
        clause: "x" for clause in case.clauses.split()
    }, sentences
    assert {clause: sign for clause, sign in signs(records).items() if clause in case.passing.split()} == {
        clause: "." for clause in case.passing.split()
    }, sentences
    assert [phrase for phrase in case.phrases if phrase not in sentences] == [], sentences


@pytest.mark.parametrize("defect", ELSEWHERE)
def test_a_defect_of_another_library_has_an_equivalent_here(defect: str) -> None:
    assert ELSEWHERE[defect] in {fault.name for fault in FAULTS} | {case.tool.partition(":")[2] for case in CASES}


RIGHT_SETTINGS = ("steered", "steered later", "gpt2", "block 0", "bfloat16")


@pytest.mark.parametrize(
    ("tool", "setting"),
    [
        *(("hooks", setting) for setting in RIGHT_SETTINGS),
        # Not in the others: pyvene deletes the hook with which the user steers, and reads what the model computes without.
        *(("pyvene", setting) for setting in RIGHT_SETTINGS if not setting.startswith("steered")),
    ],
)
def test_correct_tools_pass_in_the_settings_of_the_defects(setting: str, tool: str, bench: DefectSettings) -> None:
    records = tried(bench, setting, tool, "P1 P2 P3 P4 P8 P10 P12")

    wrong = (record for record in records if record.outcome != "agrees" and not record.declared)
    assert [f"{record.cell.id}: {record.sentence}" for record in wrong] == []


def test_pv2_hidden_states_are_empty_after_pyvene(bench: DefectSettings) -> None:
    """P9: pyvene also deletes the hooks with which transformers collects hidden states."""
    from steering_core.observe.model_state import state_changes, state_of
    from steering_core.tools.spec import find_tool

    experiment = bench.open("tiny_qwen2")
    inputs = experiment.extraction.inputs()
    assert len(experiment.model.module(**inputs, output_hidden_states=True).hidden_states) == 9
    before = state_of(experiment.model)

    find_tool("pyvene").read(experiment.model, experiment.extraction, [experiment.site])

    assert "removed from 1" in state_changes(before, state_of(experiment.model))["hooks"]
    assert not experiment.model.module(**inputs, output_hidden_states=True).hidden_states


def test_hf12_reentrant_checkpointing_recomputes_without_the_hook(
    bench: DefectSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No clause takes gradients; P9 finds the cause on the model. An ablated MLP must have no gradient."""
    experiment = bench.open("tiny_qwen2")
    mlp = experiment.model.blocks[experiment.settings.layer].mlp
    kind = type(experiment.model.blocks[0])
    monkeypatch.setattr(kind, "forward", getattr(kind.forward, "untraced", kind.forward))  # else none is made
    experiment.model.module.train().requires_grad_(True)

    def gradient(reentrant: bool) -> float:
        checkpointing(experiment.model.module)({"use_reentrant": reentrant})
        handle = mlp.register_forward_hook(lambda module, args, output: output * 0)
        loss = experiment.model.module(**experiment.extraction.inputs(), use_cache=False).logits.square().mean()
        handle.remove()
        experiment.model.module.zero_grad()
        loss.backward()
        return float(mlp.down_proj.weight.grad.norm())

    assert gradient(reentrant=False) == 0 < gradient(reentrant=True)


def test_pv4_a_named_component_is_cut_to_the_width_of_the_stream(bench: DefectSettings) -> None:
    """No clause reads the input of attention's output projection; the adapter's component strings give all of it."""
    import pyvene

    experiment = bench.open("tiny_qwen2")
    spec, attention = experiment.model.spec, f"model.layers[{experiment.settings.layer}].self_attn.o_proj.input"

    def width(config: Any, where: Any) -> int:
        intervenable = pyvene.IntervenableModel(pyvene.IntervenableConfig([config]), experiment.model.module)
        (_, collected), _ = intervenable(experiment.extraction.inputs(), unit_locations=where)
        return int(collected[0].shape[-1])

    table = pyvene.RepresentationConfig(
        4, "attention_value_output", "pos", 1, intervention_type=pyvene.CollectIntervention
    )
    spelled = pyvene.RepresentationConfig(component=attention, unit="pos", intervention=pyvene.CollectIntervention())
    last = {"base": [[[-1 + experiment.extraction.ids.shape[1]]] * len(experiment.extraction.ids)]}
    assert (width(spelled, None), width(table, last)) == (spec.heads * spec.head_dim, spec.hidden)


def test_dt1_the_realized_part_of_a_small_shift_is_reported(bench: DefectSettings) -> None:
    """S8: bfloat16 rounds most of a small vector away; the clause holds, and reports how much."""
    experiment = bench.open("bfloat16")
    small = replace(experiment, settings=replace(experiment.settings, strength=0.05))
    record, whole = (
        run_checks(each, "hooks", lambda check: check.clause == "S8", gated=False)[0] for each in (small, experiment)
    )

    assert (record.outcome, whole.outcome) == ("agrees", "agrees")
    assert record.measured["unchanged"] > 0.2 > whole.measured["unchanged"]
    assert abs(record.measured["ratio"] - 1) > 0.02 > abs(whole.measured["ratio"] - 1)
