"""The tensor files beside a run: listed with their sha256, and checked against it without loading any of them."""

from hashlib import file_digest
from pathlib import Path

from safetensors import SafetensorError, safe_open

from reports.run.strict_json import parse
from reports.untrusted import plain
from steering_core.errors import ArtifactProblem

PICKLE_STARTS = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK\x03\x04")
"""A pickle of protocol 2 to 5, or the zip archive that torch.save writes around one."""


def refuse_pickle(start: bytes, where: str) -> None:
    """ArtifactProblem when a file begins like a pickle or an archive; such a file is never opened."""
    if start.startswith(PICKLE_STARTS):
        raise ArtifactProblem(
            "artifact-pickle", f"{where} is a pickle or an archive and is never opened",
            "expected records.jsonl, or tensors as safetensors",
        )  # fmt: skip


def list_tensors(directory: Path) -> dict[str, str]:
    """{path below the directory: sha256} of every safetensors file in it."""
    return {str(path.relative_to(directory)): _sha256(path) for path in sorted(directory.rglob("*.safetensors"))}


def check_tensors(directory: Path, listed: dict[str, str], *, complete: bool) -> None:
    """Every listed file is there (if `complete`), unchanged and readable; activations have one size per model."""
    widths: dict[str, int] = {}
    for name, digest in listed.items():
        path = _below(directory, name)
        if not path.is_file():
            _refuse_missing(name, complete)
            continue
        if _sha256(path) != digest:
            raise ArtifactProblem(
                "artifact-tensor-digest", f"{_shown(name)} does not have the sha256 that the run recorded",
                "copy the run directory again from where it was made",
            )  # fmt: skip
        _check_rows(path, name, widths)


def _below(directory: Path, name: str) -> Path:
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise ArtifactProblem(
            "artifact-path", f"{_shown(name)} points outside the run directory", "expected a path below it"
        )
    return directory / name


def _refuse_missing(name: str, complete: bool) -> None:
    if complete:
        raise ArtifactProblem(
            "artifact-tensor-missing", f"{_shown(name)} is listed but not there",
            "copy the whole run directory, or name its records.jsonl alone to judge without tensors",
        )  # fmt: skip


def _check_rows(path: Path, name: str, widths: dict[str, int]) -> None:
    """Refuse an unreadable file, and activation rows that are not [rows, hidden] with one hidden size per model."""
    try:
        with safe_open(path, framework="numpy") as stored:
            key = parse((stored.metadata() or {}).get("key", "{}"), name)
            shapes = [stored.get_slice(tensor).get_shape() for tensor in stored.keys()]  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError) as error:
        raise ArtifactProblem(
            "artifact-tensor",
            f"{_shown(name)} is not safetensors: {_shown(str(error))}",
            "copy the run directory again",
        ) from None
    if isinstance(key, dict) and key.get("what") == "rows":
        for shape in shapes:
            _check_shape(name, shape, str(key.get("model")), widths)


def _check_shape(name: str, shape: list[int], model: str, widths: dict[str, int]) -> None:
    if len(shape) != 2 or widths.setdefault(model, shape[1]) != shape[1]:
        raise ArtifactProblem(
            "artifact-tensor-shape", f"{_shown(name)} has shape {shape}",
            f"expected [rows, {widths.get(model, 'hidden')}] for {_shown(model)}",
        )  # fmt: skip


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _shown(text: str) -> str:
    return plain(text, 120)
