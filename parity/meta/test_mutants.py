"""The mutator changes what code does and nothing else; known equivalents are left out, and none of them is stale."""

from parity.meta.mutants import mutants_of, mutated, read_equivalents
from parity.meta.mutation_campaign import all_mutants
from steering_core.places import ROOT

TEXT = """
@decorated(1, 2)
def f(a: int | None, b: bool = True) -> int | str:
    "A text: 1 + 1."
    if not a or a < 3:
        raise ValueError(f"{a + 1}", 4)
    return g(a + 2.5, b)
"""
CHANGES = [
    "not a or a < 3 -> not a and a < 3",
    "not a -> not not a",
    "a < 3 -> a >= 3",
    "3 -> 4",
    "return g(a + 2.5, b) -> return None",
    "g(a + 2.5, b) -> g(b, a + 2.5)",
    "a + 2.5 -> a - 2.5",
    "2.5 -> 3.5",
    "True -> False",
]


def test_each_kind_of_change_is_made_once() -> None:
    mutants = mutants_of("a.py", TEXT)

    assert sorted(mutant.change for mutant in mutants) == sorted(CHANGES)
    assert {mutant.place for mutant in mutants if mutant.change.startswith("return")} == {"a.py:7"}
    assert len({mutated(TEXT, mutant.number) for mutant in mutants}) == len(CHANGES)


def test_a_mutant_names_its_line() -> None:
    assert {mutant.line for mutant in mutants_of("a.py", TEXT) if mutant.place == "a.py:5"} == {"if not a or a < 3:"}


def test_an_exchange_of_equal_arguments_is_no_mutant() -> None:
    assert [mutant.change for mutant in mutants_of("a.py", "f(a, a)\nf(a, b)")] == ["f(a, b) -> f(b, a)"]


def test_adapters_that_no_test_can_reach_are_left_out() -> None:
    files = {mutant.file for mutant in all_mutants(["tools"])}

    assert "steering_core/tools/adapters/nnsight.py" in files
    assert (ROOT / "steering_core/tools/third_party/nnterp.py").is_file()
    assert [file for file in files if "third_party" in file] == []


def test_every_known_equivalent_is_a_mutant_with_a_reason() -> None:
    known = read_equivalents()
    files = {file for file, _, _ in known}
    listed = {(m.file, m.line, m.change) for file in files for m in mutants_of(file, (ROOT / file).read_text("utf-8"))}

    assert known
    assert [row for row in known if row not in listed] == []
    assert [row for row, why in known.items() if len(why.split()) < 5] == []
    rooms = {file.split("/")[1] for file in files}
    assert [m for m in all_mutants(rooms) if (m.file, m.line, m.change) in known] == []
