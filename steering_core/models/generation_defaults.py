"""A checkpoint's generation config, changed for a while: what it says must not reach greedy decoding."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any


@contextmanager
def generation_defaults(modules: Sequence[Any], settings: Mapping[str, Any]) -> Iterator[None]:
    """The generation configs of these models with other settings, restored afterwards."""
    with ExitStack() as stack:
        for config in {id(module.generation_config): module.generation_config for module in modules}.values():
            before = {name: getattr(config, name, None) for name in settings}
            stack.callback(config.update, **before)
            config.update(**settings)
        yield
