"""What each failed check means for someone who has never seen the suite: what broke, why it matters, what to do."""

from typing import NamedTuple

from steering_core.records.clauses import CLAUSES, Clause, Stage
from steering_core.records.record import Outcome


class Failure(NamedTuple):
    """What broke, why that matters, what to do: `{tool}`, `{other}`, `{pair}` stand for names."""

    what: str
    why: str
    todo: str


FAILURES: dict[str, Failure] = {
    "P1": Failure(
        "{tool} handed back a different tensor from the one it was asked for",
        "Every number from {tool} describes something else (another module, token, row or value), so nothing built on "
        "it can be compared.",
        "See what was returned instead, make {tool} return what was asked for, then repeat this one check.",
    ),
    "P2": Failure(
        "{tool} returned activations in the wrong shape",
        "Prompts, tokens or features are mixed up or lost before anything is computed.",
        "Make {tool} return [batch, seq, hidden], then repeat this check.",
    ),
    "P3": Failure(
        "{tool} changed the number format of the activations",
        "Rounding to another dtype moves the direction although the model did the same.",
        "Find where {tool} casts, or name the cast as a declared deviation.",
    ),
    "P4": Failure(
        "{tool} read the wrong token",
        "The direction is built from the last real token of each prompt; another token carries another signal.",
        "Check padding side, chat template and the position that {tool} reads.",
    ),
    "P5": Failure(
        "{tool} captured the residual stream at the wrong moment",
        "The value was taken before attention or the MLP was added, or after a norm.",
        "Move the capture of {tool} to the output of the block.",
    ),
    "P6": Failure(
        "{pair} do not return the same raw activations",
        "They read the same model on the same prompts, so at least one of them reads something else.",
        "Look at the location check (P1) of both tools first: it names which one is off.",
    ),
    "P7": Failure(
        "The library code of {tool} did not run",
        "The value came from somewhere else, so a comparison would not be about {tool} at all.",
        "Call the library's own way of reading inside the adapter of {tool}.",
    ),
    "P8": Failure(
        "The values that {tool} returned changed afterwards",
        "They are a view of memory that the model uses again, not a copy; what is measured depends on when one looks.",
        "Copy the tensor when it is captured.",
    ),
    "P9": Failure(
        "{tool} did not hand the model back as it found it",
        "Whatever runs afterwards on this model runs on a changed one, other tools included.",
        "Undo what the library changes (hooks, forward, flags, random state) when the adapter of {tool} is done, and "
        "write to none of the tensors that it was given.",
    ),
    "P10": Failure(
        "{tool} gives a prompt other values in a batch than alone",
        "Rows are mixed up, or the batch moves the numbers by more than harmless changes do.",
        "Check which row, position and padding {tool} uses in a batch.",
    ),
    "P11": Failure(
        "{tool} hides an error, or leaves the model changed after one",
        "A failed measurement could pass for a result, and spoil the next one.",
        "Let the exception through, and clean up in a finally block.",
    ),
    "P12": Failure(
        "{tool} answers differently depending on what was called before",
        "A result that depends on history cannot be repeated.",
        "Find the state that {tool} keeps between calls, and start each call without it.",
    ),
    "D1": Failure(
        "{tool} does not give the same direction twice",
        "Without a stable direction, a difference between tools may be chance.",
        "Find what varies between the repeats before comparing tools.",
    ),
    "D2": Failure(
        "{pair} extract different directions",
        "This is the quantity under study: the same prompts and model gave vectors that point elsewhere.",
        "Read the location check of both tools, then the components that differ most.",
    ),
    "D3": Failure(
        "The tools disagree about the length of the raw direction",
        "A longer or shorter vector steers harder or softer at the same setting.",
        "Compare how each tool averages and scales before the direction is made unit length.",
    ),
    "D4": Failure(
        "Single components of the directions of {pair} differ",
        "A few entries carry the difference; they tell where it comes from.",
        "Look up the listed components.",
    ),
    "D5": Failure(
        "the direction of {tool} is not the canonical one",
        "The stored reference direction no longer comes out, so model, prompts or tool changed.",
        "Compare versions and digests with those of the snapshot; update it only on purpose.",
    ),
    "D6": Failure(
        "The method does not recover a direction that was planted",
        "On data where the answer is known it gives another one, so its other answers are in doubt.",
        "Compare the recovered direction with the planted one: sign, site, and which prompts were used.",
    ),
    "S1": Failure(
        "{tool} changes the output even when it adds a zero vector",
        "Something besides the asked vector is being changed, so steering results include a side effect.",
        "Remove the side effect from the editing path of {tool}.",
    ),
    "S2": Failure(
        "{tool} does not add exactly the asked vector",
        "Strength, position or block of the edit is off, so the tools were not given the same dose.",
        "Check where and how often {tool} applies the edit: first pass, every new token, which blocks.",
    ),
    "S3": Failure(
        "Text steered through {tool} depends on the key-value cache",
        "The cache only saves work; if it changes the text, an edit is missing or doubled on some tokens.",
        "Check that {tool} edits each token exactly once, with and without the cache.",
    ),
    "S4": Failure(
        "Text steered by {tool} itself differs from the reference",
        "With the same direction and greedy decoding, every token should be equal.",
        "Start at the first differing token: the edit, the cache or the decoding settings differ there.",
    ),
    "S5": Failure(
        "{tool} does not steer the first new token",
        "It comes from the last prompt token, which was left out of the edit.",
        "Include the last prompt token in the positions that {tool} edits.",
    ),
    "S6": Failure(
        "{tool} edits other positions than the declared ones",
        "Tools that edit different tokens give different doses of the same direction.",
        "Compare the edited positions with the declared ones, first pass and later tokens apart.",
    ),
    "S7": Failure(
        "{tool} removes a direction wrongly, though it may add one correctly",
        "Removal depends on the whole activation, so it shows offsets that addition hides.",
        "Check that {tool} subtracts the projection at the same site that it reads.",
    ),
    "S8": Failure(
        "{tool} adds the vector in another number format than it declares",
        "Low precision swallows small vectors, so the dose is not the one that was asked for.",
        "Declare the dtype of the addition, or change it.",
    ),
    "B1": Failure(
        "The answers steered through {tool} could not be rated",
        "Without rates there is nothing to compare in behavior.",
        "Read the error, then repeat the cell.",
    ),
    "B2": Failure(
        "{pair} lead to different rates of coherent refusal",
        "This is the behavior under study: steering works better through one tool than the other.",
        "Read the prompts on which they disagree, then the location check of both tools.",
    ),
    "B3": Failure(
        "The premise does not hold: the unsteered model does not refuse harmful prompts, or refuses harmless ones",
        "A refusal direction cannot be learned from, or tested on, a model that behaves this way.",
        "Choose a model or prompts for which the premise holds.",
    ),
    "B4": Failure(
        "A random direction has the same effect as the refusal direction",
        "Then the effect is about being pushed at all, not about this direction.",
        "Lower the strength until the random direction does nothing, and compare again.",
    ),
    "V1": Failure(
        "Planned checks left no record",
        "What was not measured cannot be said to agree.",
        "Continue the run with --resume, or plan less.",
    ),
    "V2": Failure(
        "Some records do not say where their numbers came from",
        "A number that cannot be traced cannot be repeated, or compared with another.",
        "Measure those cells again with this version of the suite.",
    ),
    "V3": Failure(
        "Some records were made under another protocol preset",
        "Different layers, strengths or lengths of answer give different rates; they must not be mixed.",
        "Run everything under one --preset.",
    ),
}  # fmt: skip

UNKNOWN = Failure(
    "“{name}” does not hold for {tool}",
    "The protocol demands it, so what depends on it is in doubt.",
    "Read what was seen, then repeat the check with the command below.",
)
"""For a clause that has no words of its own yet."""

OTHERWISE: dict[Outcome, Failure] = {
    Outcome.ERRORED: Failure(
        "The check of “{name}” crashed for {tool}",
        "Nothing was measured here, so nothing may be concluded from it.",
        "Read what was seen, fix it, and repeat this one check.",
    ),
    Outcome.UNSUPPORTED: Failure(
        "{tool} says that it cannot do what “{name}” needs",
        "The tool is outside this comparison on this model; that is no verdict about its numbers.",
        "Leave the tool out, or add support for the model to its adapter.",
    ),
    Outcome.ABSENT: Failure(
        "{tool} was not measured for “{name}”",
        "A missing measurement is not agreement.",
        "Install the library, or repeat the run without the selection that left this out.",
    ),
}


def clause_of(name: str) -> Clause:
    """The clause with this id; a placeholder for one that this version does not know."""
    return CLAUSES.get(name) or Clause(name, "unknown clause", "not known to this version of the suite", Stage.EVIDENCE)


def failure_of(clause: Clause, outcome: Outcome) -> Failure:
    """The words for a cell that does not agree."""
    return OTHERWISE.get(outcome) or FAILURES.get(clause.id, UNKNOWN)
