"""In a real run, hostile text from a tool is harmless on the terminal, on the page, in Markdown and in JUnit XML."""

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


def test_hostile_text_in_a_tools_error_is_escaped_in_every_output(runs: ForkedRuns, tmp_path: Path) -> None:
    tool, run, junit, log = (tmp_path / name for name in ("evil.py", "run", "junit.xml", "log"))
    tool.write_text(TOOL)
    check = ("parity", "-q", "-m", "tiny_qwen2", "-k", "test_location", "--tools", "hooks", "--tool", f"{tool}:Evil")

    status = runs.run(*check, "--run-dir", str(run), f"--junitxml={junit}", log=log)

    assert status == 1
    texts = {path.name: path.read_bytes().decode() for path in (log, junit, run / "report.html", run / "report.md")}
    assert [f"{name}: {raw!r}" for name, text in texts.items() for raw in RAW if raw in text] == []
    assert [case.get("name") for case in ElementTree.parse(junit).iter("testcase")], "JUnit XML is well-formed"
    assert not [name for name in ("junit.xml", "report.html") if "<script>alert" in texts[name]]
    assert max(map(len, texts["log"].splitlines())) < 10_000
    assert all("alert(1)" in texts[name] for name in ("log", "junit.xml")), "the message itself is shown"
