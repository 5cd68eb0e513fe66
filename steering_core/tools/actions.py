"""What a tool can be asked to do at a site."""

from typing import Literal

Action = Literal["read", "add", "ablate"]
METHODS: dict[Action, str] = {"read": "read", "add": "generate", "ablate": "generate"}
"""Action -> the method of a tool that carries it out."""
