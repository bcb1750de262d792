"""Collateral on the command line: fetched, carried away, brought in where there is no network."""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from casemate.cli.main import run
from casemate.tee.evidence import Inputs
from casemate.tee.options import Options, parse
from casemate.tee.simulation import Simulated
from casemate.tee.simulators import SIMULATORS
from casemate.tee.verifiers import VERIFIERS
from tests.sim.served import served
from tests.sim.vendor_service import Reply, VendorService

NOW = datetime.now(UTC)


class Desk:
    """An SNP report that carries nothing, and whoever wants to verify it."""

    def __init__(self, folder: Path, service: VendorService, printed: Any) -> None:
        self.folder = folder
        self.service = service
        self._printed = printed
        self.made: Simulated = SIMULATORS["snp"].make({"carried": "none"}, NOW)
        self.file = folder / "evidence.json"
        self.file.write_bytes(self.made.evidence)
        self.roots = folder / "roots"
        self.roots.mkdir()
        for name, body in self.made.roots.items():
            (self.roots / name).write_bytes(body)
        self.option = f"snp.kds_url={service.url}"
        self.publish()

    def publish(self) -> None:
        inputs = Inputs(now=NOW, options=Options(own=parse([self.option])))
        for want in VERIFIERS["snp"].plan(self.made.evidence, inputs):
            parts = urlsplit(want.url)
            query = f"?{parts.query}" if parts.query else ""
            self.service.publish(parts.path + query, self.made.collateral[want.name])

    def call(self, *words: str | Path) -> tuple[int, dict[str, Any]]:
        self._printed.readouterr()
        status = run([*map(str, words), "--json"])
        out = self._printed.readouterr().out
        return status, json.loads(out) if out else {}

    def verify(self, *words: str | Path) -> tuple[int, dict[str, Any]]:
        report_data = self.made.report_data.hex()
        return self.call(
            *("evidence", "verify", self.file, "--tee", "snp", "--roots", self.roots),
            *("--report-data", report_data, "--option", self.option, *words),
        )

    def collateral(self, *words: str | Path) -> tuple[int, dict[str, Any]]:
        return self.call("evidence", "collateral", *words)

    def export(self, place: Path, *words: str | Path) -> tuple[int, dict[str, Any]]:
        asked = ("--for", self.file, "--tee", "snp", "--option", self.option)
        return self.collateral("export", place, *asked, *words)

    @property
    def documents(self) -> list[str]:
        return [one["name"] for one in self.collateral("list")[1]["documents"]]


@pytest.fixture
def desk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Desk]:
    service = VendorService()
    (tmp_path / "web-ca.pem").write_text(service.anchors_pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "web-ca.pem"))
    monkeypatch.setenv("CASEMATE_COLLATERAL", str(tmp_path / "cache"))
    with served(service):
        yield Desk(tmp_path, service, capsys)


def test_nothing_is_fetched_unless_asked_for(desk: Desk) -> None:
    status, shown = desk.verify()
    assert status == 1
    assert shown["verdict"] == "refused"
    assert "collateral" not in shown
    assert desk.service.asked.total() == 0
    assert not (desk.folder / "cache").exists()


def test_fetch_verifies_and_keeps_copies(desk: Desk) -> None:
    status, shown = desk.verify("--fetch")
    assert (status, shown["verdict"]) == (0, "verified")
    assert {one["source"] for one in shown["collateral"]} == {"service"}
    asked = desk.service.asked.total()
    status, shown = desk.verify("--fetch")
    assert status == 0
    assert {one["source"] for one in shown["collateral"]} == {"cache"}
    assert desk.service.asked.total() == asked
    assert desk.verify("--offline")[0] == 0


def test_offline_takes_old_copies_and_says_so(desk: Desk) -> None:
    desk.verify("--fetch")
    for place in (desk.folder / "cache").rglob("*.*"):
        long_ago = (NOW - timedelta(days=400)).timestamp()
        os.utime(place, (long_ago, long_ago))
    status, shown = desk.verify("--offline")
    assert status == 0
    assert {one["source"] for one in shown["collateral"]} == {"expired copy"}
    assert {one["why"] for one in shown["collateral"]} == {"offline"}


def test_refusal_says_what_was_missing(desk: Desk) -> None:
    status, shown = desk.verify("--offline")
    assert (status, shown["verdict"]) == (1, "refused")
    assert {one["source"] for one in shown["collateral"]} == {"nowhere"}


def test_fetching_goes_with_a_file_alone() -> None:
    for word in ("--fetch", "--offline"):
        assert run(["evidence", "verify", "--from", "https://localhost:1", word]) == 2


def test_export_of_a_file_is_carried_to_where_there_is_no_network(desk: Desk) -> None:
    bundle = desk.folder / "amd.json"
    status, shown = desk.export(bundle)
    assert (status, shown["missing"]) == (0, [])
    assert len(shown["documents"]) == 3
    assert desk.verify("--collateral", bundle)[0] == 0
    elsewhere = desk.folder / "elsewhere"
    status, shown = desk.collateral("import", bundle, "--cache", elsewhere)
    assert (status, shown["read"], len(shown["kept"])) == (0, 3, 3)
    assert desk.verify("--offline", "--cache", elsewhere)[0] == 0
    # what is there is not taken twice
    assert desk.collateral("import", bundle, "--cache", elsewhere)[1]["kept"] == []


def test_export_of_a_folder_serves_as_collateral_and_as_cache(desk: Desk) -> None:
    folder = desk.folder / "carried"
    assert desk.export(folder)[0] == 0
    assert desk.verify("--collateral", folder)[0] == 0
    assert desk.verify("--offline", "--cache", folder)[0] == 0
    assert len(desk.collateral("import", folder, "--cache", desk.folder / "new")[1]["kept"]) == 3


def test_export_without_evidence_is_all_that_the_cache_holds(desk: Desk) -> None:
    desk.verify("--fetch")
    status, shown = desk.collateral("export", desk.folder / "all.json")
    assert status == 0
    assert sorted(shown["documents"]) == sorted(desk.documents)


def test_export_that_lacks_something_says_so(desk: Desk) -> None:
    desk.service.documents.pop(next(name for name in desk.service.documents if "/crl" in name))
    status, shown = desk.export(desk.folder / "part.json")
    assert status == 1
    assert [name.rpartition("/")[2] for name in shown["missing"]] == ["crl.der"]
    assert len(shown["documents"]) == 2


def test_export_for_evidence_that_nobody_can_read_is_refused(desk: Desk) -> None:
    desk.file.write_bytes(b"{}")
    assert desk.export(desk.folder / "none.json")[0] == 1
    assert desk.service.asked.total() == 0
    assert not (desk.folder / "none.json").exists()


def test_export_times_travel_and_a_younger_copy_stays(desk: Desk) -> None:
    bundle = desk.folder / "amd.json"
    desk.export(bundle)
    content = json.loads(bundle.read_bytes())
    for one in content["documents"]:
        one["since"] = "2001-01-01T00:00:00Z"
    old = desk.folder / "old.json"
    old.write_text(json.dumps(content))
    assert desk.collateral("import", old)[1]["kept"] == []
    elsewhere = desk.folder / "elsewhere"
    desk.collateral("import", old, "--cache", elsewhere)
    listed = desk.collateral("list", "--cache", elsewhere)[1]["documents"]
    assert {one["since"][:10] for one in listed} == {"2001-01-01"}
    assert len(desk.collateral("import", bundle, "--cache", elsewhere)[1]["kept"]) == 3


@pytest.mark.parametrize(
    "document",
    [
        {"name": "../../outside.der", "body": "MAA="},
        {"name": "/etc/passwd", "body": "MAA="},
        {"name": "amd/crl.der", "body": "PGh0bWw+"},
        {"name": "amd/crl.der", "body": ""},
    ],
)
def test_import_of_what_cannot_be_meant_keeps_nothing(desk: Desk, document: dict[str, str]) -> None:
    good = {"name": "amd/good.der", "since": "2025-01-01T00:00:00Z", "body": "MAA="}
    bad = {"since": "2025-01-01T00:00:00Z", **document}
    bundle = desk.folder / "bad.json"
    bundle.write_text(json.dumps({"casemate-collateral": 1, "documents": [good, bad]}))
    assert desk.collateral("import", bundle)[0] == 2
    assert not (desk.folder / "cache").exists()


def test_import_of_another_file_is_told(desk: Desk) -> None:
    (desk.folder / "x.txt").write_text("hello")
    assert desk.collateral("import", desk.folder / "x.txt")[0] == 2


def test_service_that_is_down_does_not_hide_the_copy(desk: Desk) -> None:
    desk.verify("--fetch")
    for place in (desk.folder / "cache").rglob("crl.der"):
        old = (NOW - timedelta(days=3)).timestamp()
        os.utime(place, (old, old))
    desk.service.documents = dict.fromkeys(desk.service.documents, Reply(404))
    status, shown = desk.verify("--fetch")
    assert status == 0
    expired = [one for one in shown["collateral"] if one["source"] == "expired copy"]
    assert len(expired) == 1
    assert "404" in expired[0]["why"]


def test_people_are_told_in_words(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--tee", "snp", "--option", desk.option]
    assert (
        run(
            [
                "evidence",
                "collateral",
                "export",
                str(desk.folder / "a.json"),
                "--for",
                str(desk.file),
                *words,
            ]
        )
        == 0
    )
    assert "3 documents" in capsys.readouterr().err
    assert run(["evidence", "collateral", "list"]) == 0
    assert "crl.der" in capsys.readouterr().out
    assert run(["evidence", "collateral", "import", str(desk.folder / "a.json")]) == 0
    assert "0 of 3 documents are new" in capsys.readouterr().err
    desk.service.documents.clear()
    assert (
        run(
            [
                "evidence",
                "verify",
                str(desk.file),
                "--offline",
                "--cache",
                str(desk.folder / "empty"),
                *words,
            ]
        )
        == 1
    )
    assert "nowhere: offline" in capsys.readouterr().err


def test_export_that_is_too_large_for_one_file_is_told(desk: Desk) -> None:
    cache = desk.folder / "cache"
    cache.mkdir()
    for at in range(2):
        (cache / f"{at}.bin").write_bytes(bytes(2 << 20))
    assert desk.collateral("export", desk.folder / "large.json")[0] == 2
    assert desk.collateral("export", desk.folder / "large")[0] == 0
