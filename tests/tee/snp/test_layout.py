import msgspec
import pytest

from casemate.errors import PeerError
from casemate.tee.layouts import LAYOUTS
from casemate.tee.snp.report import LAYOUT, SIZE
from tests.tee.snp.machine import evidence_json, simulate

layout = LAYOUTS["snp"]


def test_every_byte_of_the_report_is_shown_once() -> None:
    made = simulate()
    assert made.binary is not None
    (section,) = layout(made.binary)
    places = [
        (field.offset, field.size)
        for field in section.fields
        if field.offset is not None and "." not in field.name
    ]
    assert places == [(part.offset, part.size) for part in LAYOUT]
    assert sum(size or 0 for _, size in places) == SIZE
    assert all(field.meaning for field in section.fields)


def test_both_forms_show_the_same_report() -> None:
    made = simulate(product="Milan", version="3")
    assert made.binary is not None
    assert layout(made.evidence)[0] == layout(made.binary)[0]


def test_words_are_shown_by_their_parts() -> None:
    made = simulate(policy="0xb0102", key_info="5", plat_info="3")
    shown = {field.name: field.value for field in layout(made.evidence)[0].fields}
    assert shown["policy"] == "0xb0102"
    assert shown["policy.abi"] == "1.2"
    assert shown["policy.debug_allowed"] == "1"
    assert shown["policy.migrate_ma"] == "0"
    assert shown["key_info.signing_key"] == "VLEK"
    assert shown["key_info.author_key"] == "1"
    assert shown["plat_info.tsme_enabled"] == "1"
    assert shown["reported_tcb.fmc"] == "1"
    assert shown["reported_tcb.snp"] == "24"
    assert shown["current"] == "1.55.8"


@pytest.mark.parametrize(
    "fields",
    [
        {"reserved_18b": "01" + "00" * 20},
        {"cpuid_fam_id": "0x1b"},
        {"version": "9"},
        {"version": "1"},
        {"signature_r": "ff" * 72},
    ],
    ids=str,
)
def test_report_that_is_refused_is_shown_all_the_same(fields: dict[str, str]) -> None:
    made = simulate(**fields)
    assert made.binary is not None
    (section,) = layout(made.binary)
    assert len(section.fields) > len(LAYOUT)


def test_fields_of_a_later_version_are_shown_as_reserved() -> None:
    made = simulate(version="2", product="Milan")
    fields = {field.name: field for field in layout(made.evidence)[0].fields}
    assert "reserved" in fields["launch_mit_vector"].meaning
    assert "reserved" in fields["cpuid_fam_id"].meaning


@pytest.mark.parametrize("key", ["VCEK", "VLEK"])
def test_certificates_are_shown_with_what_amd_writes_into_them(key: str) -> None:
    made = simulate(key=key, carried="list", vek_hw_id_form="octets")
    _, first, *others = layout(made.evidence)
    shown = {field.name: field.value for field in first.fields}
    assert first.title == f"cert_chain, {key}"
    assert shown["subject"] == f"SEV-{key}"
    assert shown["product name"] == "Turin"
    assert shown["microcode"] == "219"
    if key == "VCEK":
        assert shown["hardware id"] == "04080102030405060708"
        assert shown["serial"] == "0"
    else:
        assert shown["CSP id"] == "CN=cloud.example"
    assert [one.title for one in others] == [
        "cert_chain, ASK",
        "cert_chain, ARK",
        "cert_chain, CRL",
    ]


def test_broken_certificate_is_shown_as_such() -> None:
    evidence = evidence_json(simulate())
    evidence["cert_chain"] = [
        {"cert_type": "VCEK", "data": [1, 2]},
        {"cert_type": {"OTHER": "00112233-4455-6677-8899-aabbccddeeff"}, "data": []},
    ]
    _, broken, other = layout(msgspec.json.encode(evidence))
    assert broken.fields[0].name == other.fields[0].name == "unreadable"
    assert other.title.endswith("00112233-4455-6677-8899-aabbccddeeff")


@pytest.mark.parametrize("raw", [b"", b"{}", bytes(100)])
def test_what_is_no_evidence_is_not_shown(raw: bytes) -> None:
    with pytest.raises(PeerError):
        layout(raw)
