import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from casemate.errors import HostError, InputError
from casemate.tee.gathering.cache import Cache, Listed, default_folder
from casemate.tee.want import Want

SINCE = datetime(2025, 6, 1, 12, tzinfo=UTC)
WANT = Want(name="amd/crl.der", url="https://x/")


def test_what_is_kept_is_found_with_its_time(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "new" / "folder")
    assert cache.find(WANT) is None
    assert cache.all() == ()
    cache.keep(WANT.name, b"list", SINCE)
    found = cache.find(WANT)
    assert found is not None
    assert found.files == {WANT.name: b"list"}
    assert found.since == SINCE
    assert cache.all() == (Listed("amd/crl.der", 4, SINCE),)
    assert cache.read(cache.all()[0]) == b"list"


def test_chain_comes_with_its_document_to_who_asks_for_it(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.keep("tcb.json", b"{}", SINCE, chain=b"chain")
    plain = cache.find(Want(name="tcb.json", url=""))
    chained = cache.find(Want(name="tcb.json", url="", chain_header="x"))
    assert plain is not None
    assert chained is not None
    assert plain.files == {"tcb.json": b"{}"}
    assert chained.files == {"tcb.json": b"{}", "tcb.json.pem": b"chain"}


def test_names_of_an_offline_store_serve_too(tmp_path: Path) -> None:
    (tmp_path / "vcek" / "00").mkdir(parents=True)
    (tmp_path / "vcek" / "00" / "vcek.der").write_bytes(b"old store")
    wanted = Want(name="amd/a.der", url="", fallbacks=("vcek/00/b.der", "vcek/00/vcek.der"))
    found = Cache(tmp_path).find(wanted)
    assert found is not None
    assert found.files == {"amd/a.der": b"old store"}


def test_files_appear_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = Cache(tmp_path)
    cache.keep(WANT.name, b"before", SINCE)
    monkeypatch.setattr(os, "utime", _full_disk)
    with pytest.raises(HostError):
        cache.keep(WANT.name, b"after", SINCE)
    monkeypatch.undo()
    found = cache.find(WANT)
    assert found is not None
    assert found.files == {WANT.name: b"before"}
    assert [place.name for place in (tmp_path / "amd").iterdir()] == ["crl.der"]


def _full_disk(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_unfinished_and_hidden_files_are_not_listed(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.keep("a.der", b"x", SINCE)
    (tmp_path / ".0011.part").write_bytes(b"half")
    assert [one.name for one in cache.all()] == ["a.der"]


def test_file_that_nobody_would_read_is_as_good_as_none(tmp_path: Path) -> None:
    (tmp_path / "big.der").write_bytes(bytes((4 << 20) + 1))
    assert Cache(tmp_path).find(Want(name="big.der", url="")) is None


def test_name_that_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    with pytest.raises(InputError):
        cache.keep("../outside.der", b"x", SINCE)
    with pytest.raises(InputError):
        cache.find(Want(name="/etc/passwd", url=""))
    assert list(tmp_path.iterdir()) == []


def test_folder_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    cache = Cache(tmp_path / "file")
    assert cache.find(WANT) is None
    with pytest.raises(HostError):
        cache.keep(WANT.name, b"x", SINCE)


def test_place_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "amd" / "crl.der").mkdir(parents=True)
    cache = Cache(tmp_path)
    with pytest.raises(HostError):
        cache.find(WANT)
    with pytest.raises(HostError):
        cache.read(Listed("gone.der", 0, SINCE))


def test_more_files_than_verifiers_are_given_are_told(tmp_path: Path) -> None:
    for at in range(4097):
        (tmp_path / f"{at}.der").touch()
    with pytest.raises(InputError, match="4097"):
        Cache(tmp_path).all()


def test_folder_that_is_full_forgets_what_was_asked_for_longest_ago(tmp_path: Path) -> None:
    cache = Cache(tmp_path, most=3)
    for number in (2, 0, 3, 1, 4):
        cache.keep(f"amd/vcek/{number}", b"x", SINCE + timedelta(minutes=number))
    cache.keep("amd/crl", b"x", SINCE)
    assert [one.name for one in cache.all()] == [
        "amd/crl",
        *(f"amd/vcek/{number}" for number in (2, 3, 4)),
    ]


def test_folder_is_named_by_the_environment_or_the_desktops() -> None:
    assert default_folder({"CASEMATE_COLLATERAL": "/a"}) == Path("/a")
    assert default_folder({"XDG_CACHE_HOME": "/b"}) == Path("/b/casemate/collateral")
    assert default_folder({"HOME": "/c"}) == Path("/c/.cache/casemate/collateral")


def test_times_survive_to_the_second_or_better(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.keep("a.der", b"x", SINCE + timedelta(seconds=1))
    assert cache.all()[0].since == SINCE + timedelta(seconds=1)
