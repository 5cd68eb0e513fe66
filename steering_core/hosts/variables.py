"""The environment variables of a tool's process."""

import atexit
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

from steering_core.judges.settings import KEY
from steering_core.places import IMPORTS, INSTALLED, ROOT

TESTING = "PYTEST_"
"""How the names of pytest's and its plugins' variables begin: PYTEST_CURRENT_TEST, PYTEST_VERSION, PYTEST_XDIST_WORKER."""


def environment() -> dict[str, str]:
    """The judging process's own, with the suite importable; asking for a GPU there must not initialize CUDA. A tool has
    no business with the key of a judge, and does not learn from a variable that it is under test."""
    own = {name: value for name, value in os.environ.items() if name != KEY and not name.startswith(TESTING)}
    path = os.pathsep.join(filter(None, (library(), os.environ.get("PYTHONPATH"))))
    return {**own, "PYTHONPATH": path, "PYTORCH_NVML_BASED_CUDA_CHECK": "1", "TOKENIZERS_PARALLELISM": "false"}


@cache
def library() -> str:
    """A folder from which any interpreter imports this library, and nothing of the environment that it is installed in."""
    if not INSTALLED:
        return str(ROOT)
    folder = tempfile.mkdtemp(prefix="steering-core-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    Path(folder, "steering_core").symlink_to(IMPORTS / "steering_core")
    return folder
