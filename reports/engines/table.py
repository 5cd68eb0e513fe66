"""The judgement on result files of interp-engine's validator, as text."""

from collections import Counter
from collections.abc import Callable, Sequence
from io import StringIO

from rich.console import Console
from rich.table import Table

from reports.engines.cells import Bug, EngineFile
from reports.engines.rules import (
    BROKEN,
    FACTOR,
    NOTHING,
    THEIRS,
    WORDS,
    WRONG,
    Judged,
    blind_spots,
    judge_file,
)
from reports.untrusted import plain

SHOWN = 20
"""Rows of a list; how many more there are is said."""


def engine_report(files: Sequence[EngineFile], width: int) -> str:
    """What the rules say of every cell, beside what the files say."""
    cells = [judged for file in files for judged in judge_file(file)]
    compared = sum(cell.ours != NOTHING for cell in cells)
    models = len({file.hf_id for file in files})
    head = f"Engines compared by interp-engine's validator: {len(files)} files, {models} models, "
    head += f"{len(cells)} cells, {compared} of them compared\n"
    parts = (
        by_engine(cells, width),
        by_status(cells, width),
        bugs(files, cells, width),
        listed("A constant factor that cosine cannot see", [c for c in cells if c.ours == FACTOR], width),
        stricter([cell for cell in cells if cell.passes_there and cell.ours in WRONG], width),
        listed(
            "Blind here: does not pass there, no objection by our rules",
            [c for c in cells if c.cell.status in THEIRS and c.ours not in WRONG],
            width,
        ),
        "What our rules cannot see in these files\n" + "".join(f"  {sentence}\n" for sentence in blind_spots()),
    )
    return head + "".join(f"\n{part}" for part in parts if part)


def by_engine(cells: Sequence[Judged], width: int) -> str:
    """A row per engine: its cells by our judgement."""
    return "By our rules\n" + _counts("engine", cells, lambda cell: cell.file.engine, width) + _legend(cells)


def by_status(cells: Sequence[Judged], width: int) -> str:
    """A row per status of theirs."""
    return "Beside theirs\n" + _counts("status there", cells, lambda cell: cell.cell.status, width)


def _counts(title: str, cells: Sequence[Judged], key: Callable[[Judged], str], width: int) -> str:
    columns = [word for word in WORDS if any(cell.ours == word for cell in cells)]
    rows: dict[str, Counter[str]] = {}
    for cell in cells:
        rows.setdefault(key(cell), Counter())[cell.ours] += 1
    table = _table(title, *columns)
    for name in sorted(rows):
        table.add_row(plain(name, 40), *(str(rows[name][word]) for word in columns))
    return _print(table, width)


def _legend(cells: Sequence[Judged]) -> str:
    found = {cell.ours for cell in cells}
    return "".join(f"  {word}: {text}\n" for word, text in WORDS.items() if word in found)


def bugs(files: Sequence[EngineFile], cells: Sequence[Judged], width: int) -> str:
    """A row per bug that the files name, and what our rules say of its cells."""
    table = _table("engine", "bug", "cells", "by our rules", "address")
    found = _by_bug(files, cells)
    if not found:
        return ""
    for (engine, bug), own in found.items():
        counts = Counter(cell.ours for cell in own)
        said = ", ".join(f"{count} {word}" for word, count in counts.most_common()) or "no cells"
        table.add_row(plain(engine, 20), plain(bug.title, 70), str(len(own)), said, plain(bug.url, 90))
    named = sum(any(cell.ours in WRONG for cell in own) for own in found.values())
    ran = sum(any(cell.ours != NOTHING for cell in own) for own in found.values())
    head = f"Bugs that the files name: {len(found)}; our rules object to {named} of the {ran} with values\n"
    return head + _print(table, max(width, 160))


def _by_bug(files: Sequence[EngineFile], cells: Sequence[Judged]) -> dict[tuple[str, Bug], list[Judged]]:
    found: dict[tuple[str, Bug], list[Judged]] = {}
    for file in files:
        if file.known_bug:
            found.setdefault((file.engine, _plain_bug(file.known_bug)), [])
    for cell in cells:
        if cell.bug:
            found.setdefault((cell.file.engine, _plain_bug(cell.bug)), []).append(cell)
    return dict(sorted(found.items(), key=lambda item: (item[0][0], item[0][1].url)))


def _plain_bug(bug: Bug) -> Bug:
    return Bug(url=bug.url, title=bug.title)


def stricter(cells: Sequence[Judged], width: int) -> str:
    """The cells to which our rules object alone."""
    waived = sum(cell.cell.waived is not None for cell in cells)
    return listed(f"Stricter here ({waived} of them are waived there): passes there, wrong by our rules", cells, width)


def listed(title: str, cells: Sequence[Judged], width: int) -> str:
    """The cells of one kind, those that their files explain by a bug last; "" if there are none."""
    if not cells:
        return ""
    table = _table("model", "engine", "cell", "there", "here", "cosine", "worst token", "relative error", "factor")
    for cell in sorted(cells, key=_order)[:SHOWN]:
        values = cell.cell
        table.add_row(
            *(plain(text, 50) for text in (cell.file.hf_id, cell.file.engine, cell.name, values.status)),
            cell.ours,
            *map(_number, (values.cos, values.cos_worst_token, values.rel_diff)),
            " or ".join(f"{factor:.3g}" for factor in cell.factor),
        )
    more = f"  and {len(cells) - SHOWN} more\n" if len(cells) > SHOWN else ""
    return f"{title}: {len(cells)}\n{_print(table, max(width, 160))}{more}"


def _order(cell: Judged) -> tuple[bool, int, float]:
    cosine = cell.cell.cos_worst_token if cell.cell.cos_worst_token is not None else cell.cell.cos
    return cell.bug is not None, int(cell.ours != BROKEN), 1.0 if cosine is None else cosine


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.6g}"


def _table(*columns: str) -> Table:
    return Table(*columns, box=None, padding=(0, 2, 0, 0))


def _print(table: Table, width: int) -> str:
    out = StringIO()
    Console(file=out, width=width, color_system=None, markup=False, highlight=False, _environ={}).print(table)
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())
