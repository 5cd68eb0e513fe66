"""Fixtures of the core's unit tests. Imports are deferred: most tests here need no torch."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from steering_core.models.model import LoadedModel


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a complete random Llama checkpoint, not to be written to."""
    from steering_core.tests.chat_checkpoint import save_checkpoint

    folder = tmp_path_factory.mktemp("checkpoint")
    save_checkpoint(folder)
    return folder


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Models this small wait for threads longer than they compute; and their sums are split the same way in every run."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def loaded(checkpoint: Path, one_thread: None) -> "LoadedModel":
    """The checkpoint in memory, loaded for each test."""
    from steering_core.tests.chat_checkpoint import request_of
    from steering_core.tests.random_models import random_spec

    return request_of(checkpoint, random_spec("llama")).load()
