"""Direction methods, one file each: `NAME.py` defines `NAME(harmful, harmless) -> direction`.

harmful, harmless: float32 [prompts, hidden], the rows of each class; direction: [hidden], pointing toward harmful, its
norm kept. The docstring of the file names the source: paper and section. A new file needs no other edit: its name can
be given as `method` of a preset and as `--method`.
"""

import pkgutil
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

from steering_core.errors import EmptyMeasurement, UsageProblem

if TYPE_CHECKING:
    from torch import Tensor

DEFAULT_METHOD = "difference_of_means"


def method_names() -> list[str]:
    """The names of all methods, from the names of their files: no method is imported. `_NAME.py` is not a method."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def check_method(name: str) -> None:
    """UsageProblem for an unknown name; imports neither the method nor torch."""
    if name not in method_names():
        raise UsageProblem("unknown-method", f"unknown method {name!r}", f"known: {', '.join(method_names())}")


def find_method(name: str) -> "Callable[[Tensor, Tensor], Tensor]":
    """The function of a method; UsageProblem for an unknown name, or a file without a function of its own name."""
    check_method(name)
    function = getattr(import_module(f"{__name__}.{name}"), name, None)
    if not callable(function):
        raise UsageProblem("method-file", f"{name}.py defines no {name}", f"def {name}(harmful, harmless) -> direction")
    method: Callable[[Tensor, Tensor], Tensor] = function
    return method


def extract_direction(name: str, harmful: "Tensor", harmless: "Tensor") -> "Tensor":
    """The direction of a method: class rows, float32 [prompts, hidden] each, -> float32 [hidden], not normalized.

    EmptyMeasurement when a class is empty, or the direction is not finite or zero.
    """
    method = find_method(name)
    if not len(harmful) or not len(harmless):
        raise EmptyMeasurement("empty-class", "a class has no prompts", "give at least one prompt per class")
    direction = method(harmful, harmless).float()
    if not bool(direction.isfinite().all()):
        raise EmptyMeasurement(
            "not-finite", f"the {name} direction is NaN or infinite", "use a wider dtype; check the site"
        )
    if not bool(direction.any()):
        raise EmptyMeasurement("zero-direction", f"the {name} direction is zero", "check prompts and site")
    return direction
