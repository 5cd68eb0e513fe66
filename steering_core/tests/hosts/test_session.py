"""What the process of a tool sets before it opens a model."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from steering_core.hosts import session
from steering_core.hosts.session import Session
from steering_core.models.model import LoadRequest
from steering_core.tests.random_models import random_spec


class OpenedEarlyError(Exception):
    """Carries how many threads torch had."""


@pytest.mark.parametrize(("device", "threads"), [("cuda:0", 1), ("cpu", 2)])
def test_beside_a_gpu_torch_has_one_thread(device: str, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The processes of several tools share the cores of a machine."""

    def opened(*given: Any) -> None:
        raise OpenedEarlyError(torch.get_num_threads())

    monkeypatch.setattr(session, "adopt", opened)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(OpenedEarlyError, match=str(threads)):
            Session("hooks").do_open(
                replace(LoadRequest(random_spec("llama"), "", "float32"), device=device), {"some": 1}
            )
    finally:
        torch.set_num_threads(before)
