"""The tensor files beside a run: listed with their sha256, and checked against it without loading any of them."""

from hashlib import file_digest
from pathlib import Path

from safetensors import SafetensorError, safe_open

from reports.run.problems import refusing
from reports.run.strict_json import parse
from reports.untrusted import plain
from steering_core.errors import ArtifactProblem

AGAIN = "copy the whole run directory again"


def list_tensors(directory: Path) -> dict[str, str]:
    """{path below the directory: sha256} of every safetensors file in it."""
    return {str(path.relative_to(directory)): _sha256(path) for path in sorted(directory.rglob("*.safetensors"))}


def check_tensors(directory: Path, listed: dict[str, str], *, complete: bool) -> None:
    """Every listed file is there (if `complete`), unchanged and readable; activations have one size per model."""
    widths: dict[str, int] = {}
    for name, digest in listed.items():
        path, shown = directory / name, plain(name, 120)
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise ArtifactProblem("artifact-path", f"{shown} is outside the run directory", "expected a path below it")
        if path.is_file():
            if _sha256(path) != digest:
                sentence = f"{shown} does not have the sha256 that the run recorded"
                raise ArtifactProblem("artifact-tensor-digest", sentence, AGAIN)
            _check_rows(path, shown, widths)
        elif complete:
            hint = f"{AGAIN}, or name its records.jsonl alone to judge without tensors"
            raise ArtifactProblem("artifact-tensor-missing", f"{shown} is listed but missing", hint)


def _check_rows(path: Path, shown: str, widths: dict[str, int]) -> None:
    """Refuse an unreadable file, and activation rows that are not [rows, hidden] with one hidden size per model."""
    problem = ("artifact-tensor", f"{shown} is not a safetensors file", AGAIN)
    with refusing(*problem, SafetensorError, OSError), safe_open(path, framework="numpy") as stored:
        key = parse((stored.metadata() or {}).get("key", "{}"), shown)
        shapes = [stored.get_slice(tensor).get_shape() for tensor in stored.keys()]  # noqa: SIM118 (not a dict)
    if not isinstance(key, dict) or key.get("what") != "rows":
        return
    model = str(key.get("model"))
    for shape in shapes:
        if len(shape) != 2 or widths.setdefault(model, shape[1]) != shape[1]:
            expected = f"expected [rows, {widths.get(model, 'hidden')}] for {plain(model, 120)}"
            raise ArtifactProblem("artifact-tensor-shape", f"{shown} has shape {shape}", expected)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
