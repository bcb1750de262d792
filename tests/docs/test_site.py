"""The pages as a site: all of them are on it, and it builds without a warning."""

import shutil
import sys
from pathlib import Path

import yaml

from casemate.linux import program

ROOT = Path(__file__).resolve().parents[2]


def _pages(entries: list[object]) -> set[str]:
    found: set[str] = set()
    for entry in entries:
        value = next(iter(entry.values())) if isinstance(entry, dict) else entry
        found |= _pages(value) if isinstance(value, list) else {str(value)}
    return found


def test_every_page_is_on_the_site() -> None:
    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]
    docs = ROOT / "docs"
    assert _pages(nav) == {str(page.relative_to(docs)) for page in docs.rglob("*.md")}


def test_site_builds_without_a_warning(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    zensical = Path(sys.executable).with_name("zensical")
    program.run([zensical, "build", "--strict"], cwd=tmp_path, timeout=60)
    assert (tmp_path / "build" / "site" / "threat-model" / "index.html").exists()
