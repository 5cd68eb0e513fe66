"""The clauses of the protocol, as data: what each one demands and which stage of a cycle it belongs to."""

from dataclasses import dataclass
from enum import StrEnum

from steering_core.records.thresholds import AGREE, ATOL, DIVERGE, STABLE


class Stage(StrEnum):
    """Stages run in this order; a failed preflight blocks what follows it."""

    PREFLIGHT = "preflight"
    DIRECTIONS = "directions"
    STEERING = "steering"
    BEHAVIOR = "behavior"
    EVIDENCE = "evidence"


@dataclass(frozen=True)
class Clause:
    """One demand of the protocol; `id` is what markers, records and verdicts name."""

    id: str
    name: str
    rule: str
    stage: Stage


def _clauses(stage: Stage, *rows: tuple[str, str, str]) -> dict[str, Clause]:
    return {row[0]: Clause(*row, stage=stage) for row in rows}


CLAUSES: dict[str, Clause] = {
    **_clauses(
        Stage.PREFLIGHT,
        ("P1", "location", "the tensor returned for a site is that tensor and no other"),
        ("P2", "shape", "[batch, seq, hidden] for one prompt and for several"),
        ("P3", "dtype", "the model's own dtype is returned; float32 only after the suite's cast"),
        ("P4", "token position", "last real token, either padding side; ids equal the chat template's"),
        ("P5", "timing", "resid_pre + attn_contrib + mlp_contrib = resid_post in the tool's own captures"),
        ("P6", "agreement", f"every pair of tools, every prompt: allclose(atol={ATOL:g}, rtol=0) on raw activations"),
        ("P7", "liveness", "the tool's own library code ran inside the model's forward"),
        ("P8", "ownership", "the value survives in-place writes and later forwards: a copy, not an alias"),
        ("P9", "borrow", "the model is handed back as found: hooks, forward, weights, flags, RNG, config, inputs"),
        ("P10", "batch", "row i belongs to prompt i; single against batched differs by no more than the noise floor"),
        ("P11", "failure", "an exception inside the forward reaches the caller and leaves the model clean"),
        ("P12", "history", "the same call gives the same answer, whatever was called before"),
    ),
    **_clauses(
        Stage.DIRECTIONS,
        (
            "D1",
            "within-tool cosine",
            f"worst pair of the repeats has cosine > {1 - STABLE:g}; the last repeat is a fresh process",
        ),
        ("D2", "cross-tool cosine", f"per pair of tools: > {1 - AGREE:g} agrees, < {1 - DIVERGE:g} diverges"),
        ("D3", "norm", "norm of the raw difference: relative spread over tools and repeats"),
        ("D4", "components", "largest per-component differences between tools, and where"),
        ("D5", "canonical", "the direction equals the locked canonical snapshot"),
        ("D6", "ground truth", "a direction planted into the harmful prompts is recovered"),
    ),
    **_clauses(
        Stage.STEERING,
        ("S1", "zero vector", "steering with a zero vector is bit-identical to not steering"),
        (
            "S2",
            "exact shift",
            "the shift at the site is the asked vector, at prefill and every decode step, there only",
        ),
        ("S3", "cache", "steered generation with KV cache equals the one without"),
        ("S4", "native generation", "the tool's own steered generation equals the reference, token for token"),
        ("S5", "first token", "the last prompt token is steered, so the first generated token is too"),
        ("S6", "position map", "the edited positions are the declared ones: with cache, without, prompt in chunks"),
        ("S7", "ablation", "directional ablation passes what addition passes"),
        ("S8", "arithmetic", "the declared dtype of the addition is true; the realized shift is reported"),
    ),
    **_clauses(
        Stage.BEHAVIOR,
        ("B1", "rates", "coherent / garbled / normal rates, with Wilson 95 % intervals"),
        ("B2", "gap", "gap of coherent rate per pair of tools, in percentage points, with the discordant prompts"),
        ("B3", "premise", "unsteered, harmful prompts are refused and evaluation prompts are not"),
        ("B4", "control", "a random direction of equal norm does not produce coherent refusals"),
    ),
    **_clauses(
        Stage.EVIDENCE,
        ("V1", "completeness", "every planned cell has a record"),
        ("V2", "provenance", "every record says where its numbers came from, and about its own model"),
        ("V3", "one preset", "the run used one protocol preset throughout"),
    ),
}
