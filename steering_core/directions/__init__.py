"""Direction methods: one file each, functions of class rows [prompts, hidden] -> direction [hidden]."""

from steering_core.directions.difference_of_means import difference_of_means
from steering_core.directions.random import random_direction

__all__ = ["difference_of_means", "random_direction"]
