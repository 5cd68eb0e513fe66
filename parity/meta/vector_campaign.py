"""Which vector each fault of fixtures/faults fails: `python -m parity.meta.vector_campaign` writes fixtures/vectors/faults.json,
`python -m parity.meta.vector_campaign FAULT...` writes these alone anew.

Each fault answers the vectors of its model in a process forked for it, until one fails. Those that fail none need a
reason in fixtures/vectors/unseen.toml, or a new vector. Of a run of all faults, correct tools go first: they must fail none.
"""

import argparse
import json
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from fixtures.faults import FAULTS, Fault
from fixtures.faults.registry import HERE
from parity.meta.detection import Job, side_by_side
from parity.vectors.answers import Answering, Engine, Reference, Values, difference_of_means
from parity.vectors.check import FAILED, MISSING, NOT_OFFERED, Array, Result, check_vector
from parity.vectors.directions import DIRECTIONS
from parity.vectors.files import frozen
from parity.vectors.format import Vector, VectorFile
from parity.vectors.make import FROZEN, load, programs_of
from parity.vectors.recording import Recording, edited_sites, outer, outgoing, writer_of
from steering_core.models.compatibility import chunked_prefill_problem
from steering_core.models.model import LoadedModel
from steering_core.models.sites import Site
from steering_core.models.tokens import TokenBatch
from steering_core.programs.offered import offered_by
from steering_core.programs.program import Program, Read
from steering_core.tools.edits import Edit
from steering_core.tools.spec import ToolSpec
from steering_core.tools.tool import Tool

RESULTS, UNSEEN = FROZEN / "faults.json", FROZEN / "unseen.toml"
CORRECT = ("hooks", *(f"{HERE / 'base'}.py:{name}" for name in ("WrappedHooks", "EveryMode", "InheritedHooks")))
REFERENCE = "reference"
NO_TOOL = "about a run, its records, or what is concluded from many answers: no engine answers for it"


@dataclass(eq=False)
class ToolEngine:
    """A tool that edits with hooks on blocks and on the modules inside them, as an engine; hooks around its own record what it does."""

    tool: Tool

    def read(self, model: LoadedModel, batch: TokenBatch, sites: Sequence[Site]) -> Mapping[Site, Tensor]:
        """As `Engine`."""
        return self.tool.read(model, batch, sites)

    def generate(
        self, model: LoadedModel, batch: TokenBatch, edits: Sequence[Edit], new_tokens: int, recording: Recording
    ) -> Tensor:
        """As `Engine`."""
        sites = edited_sites(edits)
        with ExitStack() as hooks:
            for site in sites:
                hook = outgoing(recording.before.setdefault(site, []))
                hooks.callback(writer_of(model, site).register_forward_hook(hook).remove)
            hooks.enter_context(outer(model, sites, recording, edited=True))
            return self.tool.generate(model, batch, edits, new_tokens)

    def direction(self, model: LoadedModel, harmful: TokenBatch, harmless: TokenBatch, site: Site) -> Tensor:
        """As `Engine`: by the tool's own method if it has one, or else from what it reads."""
        own = getattr(self.tool, "direction", None)
        return own(model, harmful, harmless, site) if own else difference_of_means(self, model, harmful, harmless, site)


@dataclass(eq=False)
class Vectors:
    """The vectors of one model, and the model that answers them."""

    file: VectorFile
    answering: Answering
    expected: Mapping[str, Array]

    @classmethod
    def loaded(cls, file: VectorFile, values: Values) -> "Vectors":
        """With the tiny model that the vectors belong to."""
        model = load(file.checkpoint.folder.rpartition("/")[2])
        return cls(file, Answering(model, file, values), arrays(values))

    def results(self, vector: Vector, engines: Sequence[Engine]) -> list[Result]:
        """The results of one vector; one failure if the engine raised."""
        given = self.answering.answer(vector, engines)
        if raised := self.answering.failures.pop(vector.name, ""):
            return [Result(vector.name, "", FAILED, raised)]
        return list(check_vector(vector, self.expected, arrays(given), {}))

    def of_tool(self, spec: str, names: Sequence[str] = ()) -> Iterator[list[Result]]:
        """The results of a tool, vector by vector; names: of the vectors, by default all."""
        tool = ToolSpec.parse(spec)
        kind = tool.load()
        refused = self.refused(tool.build(kind))
        by_name = {vector.name: vector for vector in self.file.vectors}
        for name in names or by_name:
            if name in refused:
                yield [Result(name, "", NOT_OFFERED)]
                continue
            yield self.results(by_name[name], [ToolEngine(tool.build(kind)) for _ in range(2)])

    def of_reference(self) -> Iterator[list[Result]]:
        """The results of the suite's reference, vector by vector."""
        for vector in self.file.vectors:
            yield self.results(vector, [Reference(), Reference()])

    def refused(self, tool: Any) -> set[str]:
        """The vectors that ask for more than the tool offers."""
        spec = self.answering.model.spec
        offered = offered_by(tool, spec, chunks=chunked_prefill_problem() is None)
        reads = {name: Program(calls=(Read(sites=(classes.site,)),)) for name, classes in DIRECTIONS.items()}
        programs = {**dict(programs_of(spec.key)), **reads}
        return {name for name, program in programs.items() if not offered.allows(program)}

    def first_failure(self, spec: str, names: Sequence[str] = ()) -> dict[str, Any]:
        """The first vector that a tool fails, and how; {"vector": ""} if it fails none. spec: as `--tool`, or "reference"."""
        for results in self.of_reference() if spec == REFERENCE else self.of_tool(spec, names):
            wrong = [result for result in results if result.outcome in (FAILED, MISSING)]
            if wrong:
                return {"vector": wrong[0].vector, "sentence": f"{wrong[0].value}: {wrong[0].sentence}".lstrip(": ")}
        return {"vector": ""}


def arrays(values: Mapping[str, Tensor]) -> dict[str, Array]:
    """The same in numpy; bfloat16, which numpy lacks, is the dtype of no answer, and comes as float16."""
    wanted = {name: value for name, value in values.items() if "/edit" not in name}
    return {name: (value.half() if value.dtype == torch.bfloat16 else value).numpy() for name, value in wanted.items()}


def preferred(fault: Fault, file: VectorFile) -> list[str]:
    """The vectors in the order in which a fault is tried on them: first those named after it."""
    own = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in fault.name).strip("_")
    return sorted((vector.name for vector in file.vectors), key=lambda name: name != own)


def unseen() -> dict[str, str]:
    """Fault -> why no vector of one process can see it; for a whole file of faults under its name."""
    reasons: dict[str, dict[str, str]] = tomllib.loads(UNSEEN.read_text(encoding="utf-8"))
    files = {fault.name: reasons["files"][fault.file] for fault in FAULTS if fault.file in reasons["files"]}
    around = {fault.name: NO_TOOL for fault in FAULTS if not fault.is_tool}
    return {**around, **files, **reasons["faults"]}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run every fault that is a tool; exit status 1 if one is unexplained, or a correct tool fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("faults", nargs="*", metavar="FAULT", help="names of faults (default: all)")
    parser.add_argument("--workers", type=int, default=2, help="processes at a time (default: 2)")
    options = parser.parse_args(arguments)
    rows = []
    jobs = list_jobs(options.faults)
    for row in side_by_side(jobs, options.workers):
        rows.append(row)
        print(f"\r{len(rows)}/{len(jobs)}", end="", file=sys.stderr, flush=True)
    return report(rows, {} if not options.faults else read_results())


def list_jobs(names: Sequence[str]) -> list[tuple[dict[str, Any], Job]]:
    """The correct tools, then the named faults, or all that are tools."""
    faults = [fault for fault in FAULTS if fault.is_tool and (not names or fault.name in names)]
    loaded = {key: Vectors.loaded(*frozen(key)) for key in sorted({fault.model for fault in faults})}
    jobs: list[tuple[dict[str, Any], Job]] = []
    for key, vectors in loaded.items():
        for spec in () if names else (REFERENCE, *CORRECT):
            row = {"correct": f"{spec.rpartition(':')[2]} on {key}"}
            jobs.append((row, partial(vectors.first_failure, spec)))
    for fault in faults:
        vectors = loaded[fault.model]
        jobs.append(({"fault": fault.name}, partial(vectors.first_failure, fault.spec, preferred(fault, vectors.file))))
    return jobs


def read_results() -> dict[str, dict[str, str]]:
    """Fault -> the vector that it fails, and how."""
    results: dict[str, dict[str, str]] = json.loads(RESULTS.read_text(encoding="utf-8"))
    return results


def report(rows: Sequence[Mapping[str, Any]], kept: Mapping[str, dict[str, str]]) -> int:
    """Write what was caught, print what was not. kept: earlier results of faults that did not run."""
    alarms = [row for row in rows if "correct" in row and row.get("vector", "?")]
    ran = {str(row["fault"]): row for row in rows if "fault" in row}
    died = [row for row in ran.values() if "vector" not in row]
    caught = {
        name: {"vector": row["vector"], "sentence": row["sentence"]} for name, row in ran.items() if row.get("vector")
    }
    results = {name: result for name, result in kept.items() if name not in ran} | caught
    RESULTS.write_text(json.dumps(dict(sorted(results.items())), indent=1) + "\n", encoding="utf-8")
    open_ones = sorted({*ran} - {*caught} - {*unseen()})
    needless = sorted({*caught} & {*unseen()})
    print(f"\n{len(caught)} of {len(ran)} faulty tools fail a vector")
    lists = (("fails though correct", alarms), ("without an answer", died), ("unexplained", open_ones))
    for text, those in (*lists, ("explained, but caught", needless)):
        for each in those:
            print(f"{text}: {each}")
    return int(bool(alarms or open_ones or needless))


if __name__ == "__main__":
    sys.exit(main())
