"""Hostile text from a tool reaches the terminal, the page, Markdown and JUnit as harmless text, in a real run."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

from parity.meta.forked_runs import ForkedRuns

NASTY = "<script>alert(1)</script>\x1b[31m\x00\u202eback " + "x" * 100_000
RAW = ("\x1b[31m", "\x00", "\u202e")
TOOL = f"""
from steering_core.tools.adapters.hooks import Hooks


class Evil(Hooks):
    def read(self, model, batch, sites):
        raise RuntimeError({NASTY!r})
"""


def test_what_a_tool_says_harms_nobody(runs: ForkedRuns, tmp_path: Path) -> None:
    tool, run, junit, log = (tmp_path / name for name in ("evil.py", "run", "junit.xml", "log"))
    tool.write_text(TOOL)
    status = runs.run(
        "parity", "-m", "tiny_qwen2", "-k", "test_location", "--tools", "hooks", "--tool", f"{tool}:Evil", "-q",
        "--run-dir", str(run), f"--junitxml={junit}", log=log,
    )  # fmt: skip

    assert status == 1
    said = {path.name: path.read_bytes().decode() for path in (log, junit, run / "report.html", run / "report.md")}
    assert [f"{name}: {raw!r}" for name, text in said.items() for raw in RAW if raw in text] == []
    assert [case.get("name") for case in ElementTree.parse(junit).iter("testcase")], "whole XML"
    assert not [name for name in ("junit.xml", "report.html") if "<script>alert" in said[name]]
    assert max(map(len, said["log"].splitlines())) < 10_000
    assert all("alert(1)" in said[name] for name in ("log", "junit.xml")), "and it is told"
