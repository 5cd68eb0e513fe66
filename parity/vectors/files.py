"""Vectors and answers on disk."""

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from parity.vectors.answers import Answering, Reference, Values
from parity.vectors.format import ANSWERED, ANSWERS, VALUES, VECTORS, AnswerFile, VectorFile, as_json, read_file
from parity.vectors.make import FROZEN
from parity.vectors.make import load as load_model
from steering_core.errors import UsageProblem
from steering_core.files import read_bytes


def frozen(key: str) -> tuple[VectorFile, Values]:
    """The vectors of a model that are part of the suite."""
    return read_vectors(FROZEN / key)


def read_vectors(folder: Path) -> tuple[VectorFile, Values]:
    """The vectors of a folder and their tensors; UsageProblem for files that cannot be read."""
    file = read_file(folder / VECTORS, VectorFile)
    try:
        return file, load(read_bytes(folder / VALUES))
    except (OSError, SafetensorError) as error:
        sentence = f"{folder / VALUES} cannot be read: {str(error)[:120]}"
        raise UsageProblem("vectors", sentence, "see docs/vectors.md") from None


def write_vectors(folder: Path, file: VectorFile, values: Mapping[str, Tensor]) -> None:
    """Both files; the folder is made."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / VALUES).write_bytes(save(dict(values)))
    (folder / VECTORS).write_text(as_json(file), encoding="utf-8")


def write_answers(folder: Path, file: VectorFile, values: Values) -> None:
    """The answers of the suite's reference."""
    answering = Answering(load_model(file.checkpoint.folder.rpartition("/")[2]), file, values)
    given: Values = {}
    for vector in file.vectors:
        given |= answering.answer(vector, [Reference(), Reference()])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ANSWERED).write_bytes(save(given))
    engine = f"steering-parity {version('steering-parity')} (reference)"
    answers = AnswerFile(format="steering-parity answers", version=1, engine=engine)
    (folder / ANSWERS).write_text(as_json(answers), encoding="utf-8")
