"""Quotes and claims as people read them."""

import itertools
from typing import Any

import pytest

from casemate.errors import PeerError
from casemate.tee.dcap.quote import Quote
from casemate.tee.layouts import LAYOUTS
from casemate.tee.verifiers import VERIFIERS
from tests.sim.dcap import claims_of, simulated
from tests.vectors import vector

FORMS = [("tdx", {}), ("tdx", {"version": "4"}), ("sgx", {}), ("sgx", {"pck_ca": "processor"})]


@pytest.mark.parametrize(("tee", "fields"), FORMS)
def test_every_signed_byte_is_drawn_once(tee: str, fields: dict[str, str]) -> None:
    made = simulated(tee, **fields)
    assert made.binary is not None
    sections = LAYOUTS[tee](made.evidence)
    drawn = [
        field.value
        for section in sections
        for field in section.fields
        if field.offset is not None and "QE report" not in section.title
    ]
    assert bytes.fromhex("".join(drawn)) == Quote.parse(made.binary).signed
    for section in sections:
        places = [(f.offset, f.size) for f in section.fields if f.offset is not None]
        for (offset, size), (following, _) in itertools.pairwise(places):
            assert size is not None
            assert offset + size == following


@pytest.mark.parametrize(("tee", "fields"), FORMS)
def test_platform_and_its_versions_are_drawn(tee: str, fields: dict[str, str]) -> None:
    made = simulated(tee, **fields)
    found = {
        (section.title.split(" (")[0], field.name): field
        for section in LAYOUTS[tee](made.evidence)
        for field in section.fields
    }
    assert found["PCK extension 1.2.840.113741.1.13.1", "fmspc"].value == "00906ed50000"
    assert found["TCB versions", "component 1"].value == "5"
    assert found["TCB versions", "pce_svn"].value == "13"
    assert found["certificates", "Intel SGX PCK Certificate"].meaning.startswith("serial 0x3")
    if tee == "tdx":
        assert "septve_disable" in found[_body(made.binary), "td_attributes"].meaning


def _body(raw: bytes | None) -> str:
    assert raw is not None
    return Quote.parse(raw).body.record.title


def test_refused_evidence_is_drawn_too() -> None:
    for fields in ({"flip": "100"}, {"pck_without": "0"}, {"td_attributes": "0100000000000000"}):
        assert LAYOUTS["tdx"](simulated("tdx", **fields).evidence)
    raw = vector("tdx", "qvl_tdx_quote_outdated.dat").read_bytes()
    assert len(LAYOUTS["tdx"](raw)) == 9


@pytest.mark.parametrize("tee", ["tdx", "sgx"])
def test_what_cannot_be_read_is_not_drawn(tee: str) -> None:
    for raw in (b"", b"{}", b"\x04\0", simulated(tee, chain="empty").evidence):
        with pytest.raises(PeerError):
            LAYOUTS[tee](raw)


def leaves(claims: dict[str, Any], prefix: str = "") -> list[str]:
    found = []
    for name, value in claims.items():
        if isinstance(value, dict):
            found += leaves(value, f"{prefix}{name}.")
        else:
            found.append(f"{prefix}{name}")
    return found


@pytest.mark.parametrize(("tee", "fields"), FORMS)
def test_every_claim_names_its_source(tee: str, fields: dict[str, str]) -> None:
    for claim in leaves(claims_of(tee, **fields)):
        assert VERIFIERS[tee].source(claim), claim
    assert VERIFIERS[tee].source("nonsense") == ""
    assert VERIFIERS[tee].source("quote.nonsense") == ""
