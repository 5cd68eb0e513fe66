"""A table of results that can leave the page: as CSV, as LaTeX (booktabs), as Markdown."""

import csv
from dataclasses import dataclass
from io import StringIO

from reports.untrusted import plain

Scalar = str | int | float | bool | None
CELL = 160
_TEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
}  # fmt: skip
_FORMULA = ("=", "+", "-", "@")


@dataclass(frozen=True)
class Table:
    """Rows of numbers and short texts under named columns; `caption` also names the table in an export."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Scalar, ...], ...]

    @property
    def csv(self) -> str:
        """RFC 4180 with a header row; a text that a spreadsheet would run as a formula is quoted with an apostrophe."""
        out = StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows([_spreadsheet(entry) for entry in row] for row in self.rows)
        return out.getvalue()

    @property
    def latex(self) -> str:
        """A booktabs table; needs `\\usepackage{booktabs}`."""
        head = r"\begin{table}" + "\n" + rf"\caption{{{_tex(self.caption)}}}" + "\n"
        align = "".join("r" if _numeric(column) else "l" for column in zip(*self.rows, strict=True)) or "l"
        lines = [_tex_row(self.columns), r"\midrule", *(_tex_row(tuple(map(show, row))) for row in self.rows)]
        body = "\n".join([rf"\begin{{tabular}}{{{align}}}", r"\toprule", *lines, r"\bottomrule", r"\end{tabular}"])
        return f"{head}{body}\n\\end{{table}}\n"


def show(entry: Scalar) -> str:
    """One entry as short text: numbers to three digits, truth as yes or no, nothing as a dash."""
    if entry is None:
        return "–"
    if isinstance(entry, bool):
        return "yes" if entry else "no"
    if isinstance(entry, float):
        return f"{entry + 0.0:.3g}"
    return plain(str(entry), CELL)


def _numeric(entries: tuple[Scalar, ...]) -> bool:
    return all(entry is None or (isinstance(entry, int | float) and not isinstance(entry, bool)) for entry in entries)


def _spreadsheet(entry: Scalar) -> str | int | float:
    if entry is None or isinstance(entry, bool):
        return show(entry) if entry is not None else ""
    if isinstance(entry, int | float):
        return entry
    text = plain(entry, CELL)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _tex(text: str) -> str:
    return "".join(_TEX.get(character, character) for character in text)


def _tex_row(cells: tuple[str, ...]) -> str:
    return " & ".join(map(_tex, cells)) + r" \\"
