"""A fuzz session of checkpoints: one with a damaged or hostile file is loaded or refused in one line, and never hangs or
runs what came with it. PARITY_FUZZ examples of each file (default 5)."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reports.tests.test_fuzz import refused_in_one_line, spoil, spoil_bytes
from steering_core.models.model import LoadRequest
from steering_core.models.registry import pick, read_registry
from steering_core.places import FIXTURES, REGISTRY

TINY = FIXTURES / "checkpoints" / "tiny_qwen2"
SPEC = pick(read_registry(REGISTRY), "tiny_qwen2", "model")
EXAMPLES = int(os.environ.get("PARITY_FUZZ", "5"))
fuzzed = settings(
    max_examples=EXAMPLES, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck), database=None
)
TABLES = ("config.json", "generation_config.json", "tokenizer_config.json", "tokenizer.json")


def copied(folder: Path, name: str, content: bytes) -> LoadRequest:
    """The tiny checkpoint with other content in one of its files."""
    for file in TINY.iterdir():
        shutil.copy(file, folder)
    (folder / name).write_bytes(content)
    return LoadRequest(SPEC, str(folder), "float32")


@pytest.mark.parametrize("name", TABLES)
@given(data=st.data())
@fuzzed
def test_a_hostile_table_is_loaded_or_refused(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: st.DataObject
) -> None:
    table: Any = json.loads((TINY / name).read_text(encoding="utf-8"))
    request = copied(tmp_path_factory.mktemp("fuzz"), name, json.dumps(spoil(data.draw, table)).encode())
    refused_in_one_line(request.load)


@pytest.mark.parametrize("name", [*TABLES, "model.safetensors"])
@given(data=st.data())
@fuzzed
def test_a_damaged_file_is_loaded_or_refused(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: st.DataObject
) -> None:
    content = (TINY / name).read_bytes()
    head = content[:4000]  # of the weights, the part that says what they are
    request = copied(tmp_path_factory.mktemp("fuzz"), name, spoil_bytes(data.draw, head) + content[4000:])
    refused_in_one_line(request.load)
