"""docs/trustee.md says what the program has: settings, routes, policies."""

import json
from pathlib import Path

import pytest

from casemate.trustee.kbs.policy import SHIPPED
from casemate.trustee.settings import TABLE

PAGE = (Path(__file__).parents[2] / "docs" / "trustee.md").read_text()


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_every_setting_is_on_the_page_with_its_default(row: object) -> None:
    from casemate.settings import Setting

    assert isinstance(row, Setting)
    unit = f" ({row.unit})" if row.unit else ""
    default = json.dumps(row.default)
    assert f"| `{row.name}` | {row.type.__name__}{unit} | `{default}` | {row.help} |" in PAGE


def test_no_setting_on_the_page_is_gone() -> None:
    section = PAGE.split("## Settings")[1].split("\n## ")[0]
    assert section.count("\n| `") == len(TABLE)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_policy_is_on_the_page(name: str) -> None:
    assert f"`{name}`" in PAGE
