"""A library that steers: here the suite's own plain PyTorch hooks, under another name."""

from steering_core import Hooks


class MySteer(Hooks):
    """What is certified; docs/tools.md says what such a class has to have."""

    name = "mysteer"
