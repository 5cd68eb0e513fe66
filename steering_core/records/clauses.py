"""The clauses of the protocol, as data: what each one demands, and which stage of an experiment it belongs to."""

from dataclasses import dataclass
from enum import StrEnum

from steering_core.records.defects import DEFECTS
from steering_core.records.thresholds import AGREE, ATOL, DIVERGE, STABLE


class Stage(StrEnum):
    """Stages run in this order; a failed preflight blocks the later ones."""

    PREFLIGHT = "preflight"
    DIRECTIONS = "directions"
    STEERING = "steering"
    BEHAVIOR = "behavior"
    SWEEP = "sweep"
    FINDINGS = "findings"
    EVIDENCE = "evidence"


@dataclass(frozen=True)
class Clause:
    """One demand of the protocol; `id` is what markers, records and verdicts name."""

    id: str
    name: str
    rule: str
    stage: Stage


_ROWS = {
    Stage.PREFLIGHT: (
        ("P0", "contract", "types, sites, shapes, dtypes, devices and memory of what comes back are as documented"),
        ("P1", "location", "the tensor returned for any offered site is that tensor and no other, up to rounding"),
        ("P2", "shape", "[batch, seq, hidden] for one prompt and for several"),
        ("P3", "dtype", "activations come in the model's own dtype; float32 only after the suite's cast"),
        (
            "P4",
            "token position",
            "last real token, padded on either side or packed in one row; ids equal the chat template's",
        ),
        (
            "P5",
            "timing",
            "resid_pre + attn_contrib + mlp_contrib = resid_post in the tool's own captures, up to rounding",
        ),
        (
            "P6",
            "agreement",
            f"every pair of tools, every prompt: allclose(atol={ATOL:g}, rtol=0) or within the noise floor",
        ),
        ("P7", "liveness", "the tool's own library code runs inside the model's forward pass"),
        ("P8", "ownership", "the value survives in-place writes and later forward passes: a copy, not an alias"),
        ("P9", "side effects", "reading and steering leave model, inputs and process as they found them"),
        ("P10", "batch", "row i belongs to prompt i; batching moves it by no more than the noise floor"),
        ("P11", "failure", "an exception inside the forward pass reaches the caller and leaves the model unmodified"),
        ("P12", "history", "the same call gives the same answer, whatever was called before"),
        ("P13", "reading programs", "random sequences of reads return the truth; the smallest failing one is shown"),
    ),
    Stage.DIRECTIONS: (
        ("D1", "within-tool cosine", f"worst pair of repeats: cosine > {1 - STABLE:g}; the last is a fresh process"),
        ("D2", "cross-tool cosine", f"per pair of tools: > {1 - AGREE:g} agrees, < {1 - DIVERGE:g} diverges"),
        ("D3", "norm", "norm of the raw difference: relative spread over tools and repeats"),
        ("D4", "components", "largest per-component differences between tools, and where"),
        ("D5", "canonical", "the direction equals the locked canonical snapshot"),
        ("D6", "ground truth", "a direction planted into the harmful prompts is recovered"),
    ),
    Stage.STEERING: (
        (
            "S1",
            "zero vector",
            "a zero vector, scaling by 1 and interpolating by 0 are bitwise identical to not steering, inside blocks too",
        ),
        (
            "S2",
            "exact shift",
            "the stream shifts by exactly the requested vector, in prefill and every decode step; where offered, it is set, "
            "scaled, interpolated and affinely edited exactly, in the requested features only, and inside blocks at the outputs of "
            "attention and MLP",
        ),
        ("S3", "cache", "steered generation with a KV cache equals the one without, in every mode offered"),
        (
            "S4",
            "native generation",
            "the tool's own steered generation equals the reference, token for token, in every mode",
        ),
        ("S5", "first token", "the last prompt token is steered, so the first generated token is too"),
        (
            "S6",
            "position map",
            "the edited positions are the declared ones, ranges of positions too: with a cache, without, prompt in chunks",
        ),
        (
            "S7",
            "ablation",
            "directional ablation, affine too, in ranges and inside blocks, meets the same checks as addition",
        ),
        ("S8", "arithmetic", "edits of every mode run in the declared dtype; the realized shift is reported"),
        (
            "S9",
            "steering programs",
            "random lists of edits, inside blocks too, move the stream exactly, and give the reference's tokens",
        ),
    ),
    Stage.BEHAVIOR: (
        ("B1", "rates", "coherent / garbled / normal rates, with Wilson 95 % intervals"),
        ("B2", "gap", "gap of coherent rate per pair of tools, in percentage points, with the discordant prompts"),
        ("B3", "premise", "unsteered, harmful premise prompts are refused, harmless and evaluation prompts are not"),
        ("B4", "control", "a random direction of equal norm does not produce coherent refusals"),
    ),
    Stage.SWEEP: (
        (
            "W1",
            "layers",
            "rates of one method's direction, added from one depth on, at one multiplier; the claimed blocks are steered, "
            "unsteered answers do not refuse, a random direction does not work, the strongest multiplier changes answers",
        ),
        (
            "W2",
            "sizes",
            "rates at the best layer of the model's own validation, a point of the size curve; no other layer of it does "
            "better, and what W1 demands of a condition holds",
        ),
        (
            "W3",
            "quantization",
            "direction and rates at one precision; the weights are stored at it, the direction is extracted at it or is "
            "the full precision's, as the check's name says, and what W1 demands of a condition holds",
        ),
        (
            "W4",
            "strengths",
            "the band of multipliers that work; each end lies between one that works and one that fails, and what W1 "
            "demands of a condition holds at the ends",
        ),
    ),
    Stage.FINDINGS: (
        (
            "F1",
            "extraction",
            "every method's direction at every block, on prompts that it was not extracted from: accuracy, effect size and "
            "polarity, beside the effect on steering; each prompt is read in one forward, random directions are at chance, "
            "supervised methods do better, the converged gradient is the difference of means, and steering along that "
            "raises the log-odds of the trait's first tokens more than a random direction does",
        ),
        (
            "F2",
            "sites",
            "detection AUC of the difference of means on held-out prompts at every site that a tool reads; each is that of "
            "the suite's own capture of the site, and some block's residual stream tells the classes apart",
        ),
        (
            "F3",
            "interchangeability",
            "a probe trained on one tool's activations assigns every held-out prompt to the same class from another tool's",
        ),
        (
            "F4",
            "several layers",
            "single, uniform, weighted and orthogonal steering at equal coefficient, ratio or divergence, or each at its "
            "strongest coherent setting; coefficients and vectors are those of the formulas, ratios those of the prompts that "
            "are steered, the counted answers those of the steered layers, and a random direction of equal norm does not work",
        ),
        (
            "F5",
            "transfer",
            "a direction of one topic, language, elicitation or model on another: AUC on the target's held-out prompts beside "
            "steered answers against its own direction's; cosine and AUC are recomputed from the rows, the own direction "
            "detects and controls, neutral prompts and a random direction of equal norm do not show the trait, "
            "perturbation ratios are those of the steered prompts, and a model of another hidden size gives no number",
        ),
        (
            "F6",
            "dynamics",
            "each token's projection at several layers, in a generation and as tools read it, steered and not, is that of a "
            "forward for its prefix: exactly under exact arithmetic, else within the floor; every token has one",
        ),
        (
            "F7",
            "tuning stages",
            "a model and one that it was tuned from: the coefficient from which half of the answers refuse, the cliff where "
            "they collapse, and the layers that stay the best, beside perturbation ratios and a random direction; counts and "
            "ratios are those of the steered answers, and neither unsteered answers nor a random direction refuse",
        ),
        (
            "F8",
            "models at equal strength",
            "two models steered along their own directions at equal perturbation ratio, and at equal divergence from their "
            "unsteered answers: coherent refusals on the same prompts, and their difference; the strengths are equal, what was "
            "kept of the other model is its own, the answers are those of the steered layers, and neither unsteered answers "
            "nor a random direction of equal norm refuse",
        ),
    ),
    Stage.EVIDENCE: (
        ("V1", "completeness", "every planned check has a record"),
        ("V2", "provenance", "every record says where its numbers came from, and about its own model"),
        ("V3", "one preset", "the run used one protocol preset throughout"),
    ),
}
CLAUSES = {row[0]: Clause(*row, stage=stage) for stage, rows in _ROWS.items() for row in rows}
INTRODUCTION = """\
# The clauses

Every check belongs to one of these; `pytest -k preflight` runs the first group. The last column is a defect that was seen in
public, or in the study that the protocol comes from; almost none of them raises an error. The faulty tools that each
clause is tested with are in [reports/fault_matrix.md](../reports/fault_matrix.md). Generated by `python -m reports clauses`.
"""


def clauses_page() -> str:
    """docs/clauses.md: a table per stage."""
    text = INTRODUCTION
    for stage, rows in _ROWS.items():
        text += (
            f"\n## {stage.capitalize()}\n\n| clause | name | what holds | the defect behind it |\n|---|---|---|---|\n"
        )
        text += "".join(f"| {' | '.join((*row, DEFECTS[row[0]]))} |\n" for row in rows)
    return text
