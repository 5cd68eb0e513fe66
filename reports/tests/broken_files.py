"""Broken artifacts, one defect each; a builder writes into a directory and returns the paths to judge."""

import json
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from reports.run.records_file import serialize_run
from reports.run.tensors import list_tensors
from reports.tests.synthetic_run import agreeing

Builder = Callable[[Path], list[Path]]
ROWS = "store/ab/rows.safetensors"


@cache
def good_text() -> str:
    """A complete records file."""
    return "".join(serialize_run(agreeing(), {}))


def good_lines() -> list[str]:
    """Its lines: header, records, footer."""
    return good_text().rstrip("\n").split("\n")


def sealed(lines: list[str]) -> str:
    """Header and record lines under a footer that fits them."""
    body = "".join(f"{line}\n" for line in lines)
    footer = {"kind": "footer", "records": len(lines) - 1, "sha256": sha256(body.encode()).hexdigest(), "tensors": {}}
    return f"{body}{json.dumps(footer)}\n"


def raw(content: bytes, name: str = "records.jsonl") -> Builder:
    """A file with exactly this content."""
    return lambda folder: [written(folder / name, content)]


def written(path: Path, content: bytes | str) -> Path:
    """The path, after writing this content to it."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def edited(change: Callable[[list[str]], list[str]]) -> Builder:
    """A records file with changed lines under the footer of the unchanged ones."""
    return lambda folder: [written(folder / "records.jsonl", "\n".join([*change(good_lines()), ""]))]


def resealed(change: Callable[[list[str]], list[str]]) -> Builder:
    """A records file with changed header or record lines under a footer that fits them."""
    return lambda folder: [written(folder / "records.jsonl", sealed(change(good_lines()[:-1])))]


def header(**changes: Any) -> Builder:
    """A sealed file whose header has other fields; None removes one."""

    def change(lines: list[str]) -> list[str]:
        value = {key: item for key, item in {**json.loads(lines[0]), **changes}.items() if item is not None}
        return [json.dumps(value), *lines[1:]]

    return resealed(change)


def record(change: Callable[[str], str]) -> Builder:
    """A sealed file whose first record line is changed."""
    return resealed(lambda lines: [lines[0], change(lines[1]), *lines[2:]])


def field(**changes: Any) -> Builder:
    """A sealed file whose first record has other fields."""
    return record(lambda line: json.dumps({**json.loads(line), **changes}))


def cell(**changes: Any) -> Builder:
    """A sealed file whose first record is of another cell."""
    return record(lambda line: json.dumps({**(value := json.loads(line)), "cell": {**value["cell"], **changes}}))


def measured(number: str) -> Builder:
    """A sealed file with this text in place of a number."""
    return record(lambda line: line.replace('"max_abs": 0.0', f'"max_abs": {number}'))


def tensors(spoil: Callable[[Path], object], shape: tuple[int, ...] = (10, 64)) -> Builder:
    """A run directory with two tensor files, spoiled after (or, by shape, before) they were listed."""

    def build(folder: Path) -> list[Path]:
        for name, rows in ((ROWS, (10, 64)), (ROWS.replace("ab/rows", "cd/other"), shape)):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            key = json.dumps({"what": "rows", "model": "tiny_qwen2"})
            save_file({"value": np.ones(rows, np.float32)}, folder / name, metadata={"key": key})
        (folder / "records.jsonl").write_text("".join(serialize_run(agreeing(), list_tensors(folder))))
        spoil(folder)
        return [folder]

    return build


def listed(path: str, content: bytes) -> Builder:
    """A run directory that lists a tensor file with this content."""

    def build(folder: Path) -> list[Path]:
        (folder / "x.safetensors").write_bytes(content)
        text = "".join(serialize_run(agreeing(), {path: sha256(content).hexdigest()}))
        (folder / "records.jsonl").write_text(text)
        return [folder]

    return build


BROKEN: dict[str, tuple[Builder, str]] = {
    "empty": (raw(b""), "artifact-empty"),
    "blank": (raw(b"\n\n"), "artifact-empty"),
    "not JSON": (raw(b"hello\nworld\n"), "artifact-not-json"),
    "not UTF-8": (raw(b"\xff\xfe{}\n"), "artifact-not-text"),
    "pickle, protocol 2": (raw(b"\x80\x02}q\x00."), "artifact-pickle"),
    "pickle, protocol 4": (raw(b"\x80\x04\x95\x00", "run.pkl"), "artifact-pickle"),
    "torch zip archive": (raw(b"PK\x03\x04\x00\x00", "directions.pt"), "artifact-pickle"),
    "pickle called JSON": (raw(b"\x80\x04\x95\x00", "modal_gemma-9b_1.json"), "artifact-pickle"),
    "no header": (edited(lambda lines: lines[1:]), "artifact-header"),
    "header is a list": (edited(lambda lines: ["[]", *lines[1:]]), "artifact-header"),
    "no schema": (header(schema=None), "artifact-schema"),
    "future schema": (header(schema=3), "artifact-schema"),
    "schema before the first": (header(schema=0), "artifact-schema"),
    "schema as text": (header(schema="1"), "artifact-schema"),
    "unknown header field": (header(surprise=1), "artifact-fields"),
    "plan without tools": (header(plan={"models": ["m"], "repeats": 5, "preset": "x"}), "artifact-fields"),
    "header number as text": (
        header(plan={"models": [], "tools": [], "repeats": "5", "preset": "x"}),
        "artifact-fields",
    ),
    "no footer": (edited(lambda lines: lines[:-1]), "artifact-truncated"),
    "half a footer": (edited(lambda lines: [*lines[:-1], lines[-1][:30]]), "artifact-truncated"),
    "header only": (edited(lambda lines: lines[:1]), "artifact-truncated"),
    "footer count": (edited(lambda lines: [*lines[:1], *lines[2:]]), "artifact-count"),
    "changed number": (edited(lambda lines: [lines[0].replace("4f2c", "4f2d"), *lines[1:]]), "artifact-digest"),
    "two runs in one file": (edited(lambda lines: lines + lines), "artifact-mixed"),
    "record twice": (resealed(lambda lines: [*lines, lines[1]]), "artifact-cell"),
    "record is not JSON": (record(lambda line: line[:-1]), "artifact-not-json"),
    "record is a number": (record(lambda line: "7"), "artifact-fields"),
    "NaN": (measured("NaN"), "artifact-value"),
    "Infinity": (measured("-Infinity"), "artifact-value"),
    "number beyond float": (measured("1e999"), "artifact-value"),
    "nested too deep": (measured("[" * 100_000 + "]" * 100_000), "artifact-value"),
    "unknown field": (field(surprise=1), "artifact-fields"),
    "unknown outcome": (field(outcome="passed"), "artifact-fields"),
    "number as text": (field(wall_seconds="1"), "artifact-fields"),
    "key twice": (
        record(lambda line: line.replace('"outcome"', '"outcome": "differs", "outcome"', 1)),
        "artifact-value",
    ),
    "unknown clause": (cell(clause="Q9"), "artifact-cell"),
    "model of another run": (cell(model="qwen7b"), "artifact-cell"),
    "tool of another run": (cell(tool="transformer_lens"), "foreign-record"),
    "counts contradict": (
        resealed(lambda lines: [line.replace('"normal": 1', '"normal": 2') for line in lines]),
        "contradicting-counts",
    ),
    "no such path": (lambda folder: [folder / "missing"], "artifact-unreadable"),
    "directory without a run": (lambda folder: [folder], "artifact-missing"),
    "tensor changed": (tensors(lambda folder: (folder / ROWS).write_bytes(b"x")), "artifact-tensor-digest"),
    "tensor missing": (tensors(lambda folder: (folder / ROWS).unlink()), "artifact-tensor-missing"),
    "tensor of another size": (tensors(lambda folder: None, shape=(10, 32)), "artifact-tensor-shape"),
    "tensor without rows": (tensors(lambda folder: None, shape=(64,)), "artifact-tensor-shape"),
    "tensor is not safetensors": (listed("x.safetensors", b"\x00" * 4), "artifact-tensor"),
    "tensor outside the run": (listed("../x.safetensors", b""), "artifact-path"),
}
