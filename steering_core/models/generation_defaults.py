"""A checkpoint's generation config, changed for a while: what it says must not reach greedy decoding."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any


@contextmanager
def generation_defaults(module: Any, settings: Mapping[str, Any]) -> Iterator[None]:
    """The generation config of a model with other settings, restored afterwards."""
    config = module.generation_config
    before = {name: getattr(config, name, None) for name in settings}
    config.update(**settings)
    try:
        yield
    finally:
        config.update(**before)
