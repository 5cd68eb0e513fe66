"""What goes to a tool's process and comes back is on the right device, however deep it lies."""

from typing import Any

import torch

from steering_core.hosts.hosted_tool import to_device
from steering_core.models.tokens import pad


def test_tensors_and_batches_change_their_device_in_dicts_and_lists() -> None:
    value: Any = {
        "values": [torch.ones(2), torch.ones(3)],
        "batch": pad([[1, 2]], 0),
        "calls": [{"rows": torch.ones(1)}],
    }

    moved = to_device({**value, "name": "x", "fired": [1, 2]}, torch.device("meta"))

    assert [each.device.type for each in moved["values"]] == ["meta", "meta"]
    assert moved["batch"].ids.device.type == moved["calls"][0]["rows"].device.type == "meta"
    assert (moved["name"], moved["fired"]) == ("x", [1, 2])
