from pathlib import Path

import pytest

from casemate.errors import InputError
from casemate.podvm import guest_code, recipe
from casemate.tee import attesters


def package(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        file = root / "casemate" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


BASE = {
    "__init__.py": "",
    "guest/__init__.py": "",
    "guest/init.py": "from casemate.wire import frame\n",
    "wire/__init__.py": "",
    "wire/frame.py": "",
    "wire/unused.py": "",
    "trustee/__init__.py": "",
    "trustee/serve.py": "",
}


def names(root: Path, forbidden: tuple[str, ...] = ()) -> set[str]:
    return set(guest_code.closure(root, "casemate.guest.init", forbidden=forbidden))


def test_only_what_is_imported_comes_along(tmp_path: Path) -> None:
    assert names(package(tmp_path, BASE)) == {
        "casemate/__init__.py",
        "casemate/guest/__init__.py",
        "casemate/guest/init.py",
        "casemate/wire/__init__.py",
        "casemate/wire/frame.py",
    }


@pytest.mark.parametrize(
    "text",
    [
        "def late():\n    import casemate.wire.unused\n",
        "def late():\n    from casemate.wire.unused import x\n",
        "TABLE = {'x': 'casemate.wire.unused'}\n",
    ],
)
def test_late_imports_come_along(tmp_path: Path, text: str) -> None:
    root = package(tmp_path, {**BASE, "guest/init.py": text})
    assert "casemate/wire/unused.py" in names(root)


@pytest.mark.parametrize(
    "text", ["import casemate.trustee.serve\n", "def f():\n    from casemate import trustee\n"]
)
def test_forbidden_room_is_refused(tmp_path: Path, text: str) -> None:
    root = package(tmp_path, {**BASE, "wire/frame.py": text})
    with pytest.raises(InputError, match=r"casemate\.trustee"):
        names(root, ("casemate.trustee",))


def test_missing_entry_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"casemate\.guest\.init"):
        names(package(tmp_path, {"__init__.py": ""}))


def test_real_guest_reaches_no_forbidden_room() -> None:
    source = Path(guest_code.__file__).parents[2]
    found = guest_code.closure(source, recipe.GUEST_ENTRY, forbidden=recipe.FORBIDDEN_ROOMS)
    assert "casemate/guest/init.py" in found
    rows = (*attesters.PRIMARY, *attesters.DEVICES)
    assert {row.module.replace(".", "/") + ".py" for row in rows} <= set(found)
    assert not any("verifier" in path for path in found)
