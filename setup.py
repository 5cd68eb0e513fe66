"""Builds the distribution: the library as `steering_core`, everything around it below `steering_parity`.

`parity`, `reports`, `fixtures` and `snapshots` are good names in a checkout, and would clash with other people's packages.
They become subpackages of `steering_parity`, and imports, module names and commands in their texts follow. Everything
else that the distribution consists of is in pyproject.toml.
"""

import re
import sys
import tomllib
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

SUITE = "steering_parity"
PACKAGE = "parity/package"
"""The folder of `steering_parity` itself."""
MOVED = ("parity", "reports", "fixtures")
LEFT_OUT = ("*tests*", "parity.meta*", "parity.benchmark*", "parity.package*", "reports.runs*", "reports.examples*")
TRAINING = ("fixtures.train*", "fixtures.faults*", "fixtures.correct*")
DATA = ("*.toml", "*.json", "*.css", "*.js", "*.html", "*.j2", "*.svg", "py.typed")
FOLDERS = {"fixtures": ("prompts/*", "programs/**/*", "vectors/**/*", "checkpoints/**/*"), "snapshots": ("**/*",)}
LOCAL = ("testpaths", "pythonpath", "norecursedirs", "filterwarnings")
WARNINGS = ["ignore:Module already imported:pytest.PytestAssertRewriteWarning", "ignore:syrupy. received:UserWarning"]
TEXTS = (".py", ".j2", ".toml", ".md")
MOVES = (
    (re.compile(rf"^(\s*(?:from|import)) ({'|'.join(MOVED)})\b", re.MULTILINE), rf"\1 {SUITE}.\2"),
    (re.compile(rf"(-m )({'|'.join(MOVED)})\b"), rf"\1{SUITE}.\2"),
    (re.compile(rf"([\"'])({'|'.join(MOVED)})\.(?=[a-z{{])"), rf"\1{SUITE}.\2."),
    (re.compile(r"\bpytest parity\b(?!/)"), "steering-parity"),
    (re.compile(r"\bpytest (?=parity/|-k )"), "steering-parity "),
)
"""Of statements, of `python -m`, of module names in quotes, and of the commands that a person types."""


class BuildSuite(build_py):
    """Rewrites the copies; the checkout stays as it is."""

    def run(self) -> None:
        """Copy, rewrite, and write the suite's pytest settings beside it."""
        super().run()
        if self.editable_mode:
            return
        root = Path(self.build_lib)
        for file in (path for name in (SUITE, "steering_core") for path in (root / name).rglob("*")):
            if file.suffix in TEXTS and "checkpoints" not in file.parts:
                file.write_text(moved(file.read_text(encoding="utf-8")), encoding="utf-8")
        (root / SUITE / "pytest.toml").write_text(pytest_settings(), encoding="utf-8")


def moved(text: str) -> str:
    """The text with the names that it has in the distribution."""
    for pattern, replacement in MOVES:
        text = pattern.sub(replacement, text)
    return text


def pytest_settings() -> str:
    """[tool.pytest] of the checkout, without where its tests are; warnings of other people's libraries are no errors."""
    settings = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["tool"]["pytest"]
    kept = {key: value for key, value in settings.items() if key not in LOCAL}
    kept["filterwarnings"] = WARNINGS
    lines = (f"{key} = {str(value).lower() if isinstance(value, bool) else repr(value)}" for key, value in kept.items())
    return "[pytest]\n" + "\n".join(lines) + "\n"


def places() -> dict[str, str]:
    """{package: its folder}."""
    library = {name: name.replace(".", "/") for name in find_packages(include=["steering_core*"], exclude=LEFT_OUT)}
    names = find_packages(include=[f"{name}*" for name in MOVED], exclude=[*LEFT_OUT, *TRAINING])
    suite = {f"{SUITE}.{name}": name.replace(".", "/") for name in names}
    return {**library, SUITE: PACKAGE, **suite, f"{SUITE}.snapshots": "snapshots"}


def files() -> dict[str, list[str]]:
    """{package: patterns of its data}."""
    return {"": list(DATA), **{f"{SUITE}.{name}": [*DATA, *patterns] for name, patterns in FOLDERS.items()}}


def checkout() -> dict[str, str]:
    """The same for an editable installation, where nothing is renamed."""
    return {name: name for name in (*MOVED, "steering_core")} | {SUITE: PACKAGE}


if __name__ == "__main__":
    chosen = checkout() if "editable_wheel" in sys.argv else places()
    setup(packages=list(chosen), package_dir=chosen, package_data=files(), cmdclass={"build_py": BuildSuite})
