import re

from casemate.stack.attacks.table import ATTACKS
from tests.docs.commands import ROOT

PAGE = (ROOT / "docs/demo.md").read_text()


def test_every_attack_stands_on_its_page_in_its_order() -> None:
    shown = re.findall(r"^\| `([a-z-]+)` \|", PAGE, re.MULTILINE)
    assert shown == [attack.name for attack in ATTACKS]
