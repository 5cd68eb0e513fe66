"""A copy of the suite in another folder, for checks that edit it."""

import shutil
import subprocess
from pathlib import Path

from steering_core.places import ROOT

LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "runs", "build", "dist", "*.egg-info")


def copy_suite(tree: Path) -> None:
    """Copy the suite's files, committed to a repository of their own."""
    shutil.copytree(ROOT, tree, ignore=LEFT_OUT)
    shutil.copy(ROOT / ".gitignore", tree)
    git(tree, "init", "--quiet")
    commit(tree)


def commit(tree: Path) -> None:
    """Commit every change in a copy."""
    git(tree, "add", "--all")
    git(tree, "commit", "--quiet", "-m", "a copy")


def git(tree: Path, *words: str) -> None:
    """A git command by an author who needs no configuration."""
    author = ("-c", "user.name=nobody", "-c", "user.email=nobody@localhost", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", str(tree), *author, *words], check=True, capture_output=True)
