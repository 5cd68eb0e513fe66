"""Who may import whom (DESIGN, "Rooms" and "Imports"), and that the rules can be broken."""

import pytest

from parity.meta.source_rules import HEAVY, ROOMS, RULES, Module, Rule, loaded_with, read_modules, tops
from steering_core.places import ROOT

MODULES = read_modules(ROOT)
COLLECTED = ["parity.plugin.hooks", "parity.plugin.fixtures", "parity.plugin.canonical", "reports.plugin"] + [
    name for name in MODULES if name.startswith("parity.test_")
]


def test_every_room_is_read() -> None:
    for room in ROOMS:
        assert sum(module.top == room for module in MODULES.values()) >= 5


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_no_module_breaks(rule: Rule) -> None:
    assert [words for module in MODULES.values() for words in rule(module)] == []


@pytest.mark.parametrize("name", COLLECTED)
def test_collection_loads_no_heavy_library(name: str) -> None:
    assert tops(loaded_with(name, MODULES)) & HEAVY == set()


PLANTED = {
    "room_walls": [
        ("steering_core.new", "import parity.plugin.request.run_matrix"),
        ("steering_core.tests.test_new", "from reports.ledger import Ledger"),
        ("reports.new", "def f():\n    from parity import drafts"),
        ("parity.new", "import reports"),
        ("fixtures.faults.new", "from parity.plugin.assertions import assert_same"),
    ],
    "light_reports": [
        ("reports.new", "import torch"),
        ("reports.page.new", "try:\n    from torch import nn\nfinally: ..."),
        ("reports.new", "class A:\n    import transformers.utils"),
    ],
    "no_import_upwards": [
        ("steering_core.models.new", "from steering_core.tools.edits import Add"),
        ("steering_core.records.new", "import steering_core.directions"),
        ("steering_core.errors", "def f():\n    from steering_core.records.record import Record"),
        ("steering_core.tools.new", "from steering_core.programs import draw"),
        ("reports.verdicts.new", "from reports.page.html import render_page"),
        ("reports.run.new", "from reports.ledger import Ledger"),
        ("reports.page.new", "from reports.terminal import screen"),
    ],
    "separate_adapters": [
        ("steering_core.measure.new", "from steering_core.tools.adapters.hooks import Hooks"),
        ("steering_core.tools.adapters.pyvene", "from steering_core.tools.adapters import nnsight"),
    ],
    "independent_expectations": [
        ("steering_core.observe.new", "from steering_core.tools.positions import Schedule"),
        ("steering_core.observe.new", "import steering_core.tools.positions"),
        ("steering_core.observe.new", "def f():\n    from steering_core.tools import edits"),
        ("steering_core.observe", "from steering_core.tools.edits import Add, steering_edits"),
        ("steering_core.measure.reference", "hidden = edit.apply(hidden)"),
    ],
    "libraries_at_home": [
        ("steering_core.tools.adapters.hooks", "import nnsight"),
        ("steering_core.tools.third_party.pyvene_0_1", "import nnsight"),
        ("parity.test_new", "from pyvene import IntervenableModel"),
        ("fixtures.faults.new", "import pyvene.models"),
        ("fixtures.correct.batches", "import nnsight"),
    ],
    "quiet_core": [("steering_core.new", "from pytest import skip"), ("steering_core.new", "print('done')")],
    "no_foreign_code": [
        ("steering_core.new", "import pickle"),
        ("reports.new", "def f():\n    from joblib import load"),
        ("fixtures.train.new", "torch.load(file, weights_only=True)"),
        ("parity.new", "eval('1')"),
        ("parity.meta.new", "exec('1')"),
        ("steering_core.new", "AutoModel.from_pretrained('x', trust_remote_code=True, local_files_only=True)"),
        ("steering_core.new", "AutoModel.from_pretrained('x', trust_remote_code=False)"),
        ("reports.new", "numpy.load(file, allow_pickle=True)"),
    ],
    "one_snapshot_room": [
        ("parity.test_new", "ROOT / 'snapshots'"),
        ("reports.new", "open(f'{root}/snapshots/x')"),
        ("steering_core.new", "'snapshots/test_canonical'"),
    ],
}


@pytest.mark.parametrize(("rule", "name", "text"), [(rule, *case) for rule, cases in PLANTED.items() for case in cases])
def test_a_planted_violation_is_caught_by_its_rule_alone(rule: str, name: str, text: str) -> None:
    caught = {each.__name__: each(Module(name, text)) for each in RULES}

    assert [key for key, broken in caught.items() if broken] == [rule]
    assert name in caught[rule][0]


def test_a_heavy_library_is_found_behind_other_modules() -> None:
    def heavy(package: str, far: str) -> bool:
        texts = {
            "reports.plugin": "from steering_core.deep import inner",
            "steering_core": package,
            "steering_core.deep": "import steering_core.far",
            "steering_core.far": far,
        }
        modules = {name: Module(name, text) for name, text in texts.items()}
        return bool(tops(loaded_with("reports.plugin", modules)) & HEAVY)

    assert heavy("", "import torch.nn")
    assert heavy("import torch", ""), "a package is loaded with each of its modules"
    assert not heavy("", "def f():\n    import torch")
    assert not heavy("", "if TYPE_CHECKING:\n    import torch")


def test_what_is_allowed_is_allowed() -> None:
    fine = [
        Module("steering_core.tools.adapters.nnsight", "import nnsight\nimport torch"),
        Module("fixtures.correct.libraries", "import nnsight\nimport pyvene"),
        Module("steering_core.observe.new", "from steering_core.tools.edits import Ablate, Add, Edit"),
        Module("steering_core.measure.steering", "from steering_core.tools.tool import Tool\nedit.coefficient"),
        Module("reports.new", "def f():\n    import torch\nmodel.eval()\nre.compile('x')"),
        Module("steering_core.places", "ROOT / 'snapshots'"),
        Module(
            "steering_core.measure.new", "from steering_core.errors import SuiteError\nimport steering_core.exact.sums"
        ),
        Module("reports.ledger", "from reports.terminal.screen import render\nfrom reports.progress import Progress"),
        Module("parity.new", "config.getoption('update_snapshots')"),
        Module("steering_core.tests.test_new", "import pytest\nimport pyvene"),
    ]
    assert [words for module in fine for rule in RULES for words in rule(module)] == []
