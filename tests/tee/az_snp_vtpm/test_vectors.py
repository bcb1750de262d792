"""Real evidence of Azure, and the changes of it that must be refused."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from casemate.crypto import base64url, pem
from casemate.crypto.digest import Digest, sha256
from casemate.errors import VerificationError
from casemate.tee.az_snp_vtpm.report import encode, parse
from casemate.tee.azure.evidence import Presented
from casemate.tee.azure.hcl import HclReport
from casemate.tee.evidence import Expectation, Inputs, VerifiedEvidence
from casemate.tee.material import Material
from casemate.tee.options import Options
from casemate.tee.options import parse as parse_options
from casemate.tee.trail import Result
from casemate.tee.verifiers import trail_of, verify
from casemate.tee.vtpm.quote import verify_selection
from casemate.wire.tpm import ALG_SHA256, PcrSelection, Quote
from tests.vectors import vector

TEE = "az-snp-vtpm"
NOW = datetime(2025, 6, 1, tzinfo=UTC)
CHALLENGE = b"challenge"
SESSION = bytes.fromhex(
    "982f5c6e45df0ed3f10b6f60b02f0c8390e281300f3805e2279c16168cd6ae9aa398f647caa2338748cd0fd9f5f819ef"
)
OLD = ("az-snp-vtpm.min_version=0",)
OLD_REPORT = (*OLD, "az-snp-vtpm.min_report_version=2")


def evidence(version: int) -> bytes:
    return vector(TEE, f"evidence-v{version}.json").read_bytes()


def inputs(*options: str, now: datetime = NOW) -> Inputs:
    milan = vector("roots", "milan_ask_ark_asvk.pem").read_bytes()
    return Inputs(
        now=now,
        collateral=Material.of_files({"milan.pem": milan}),
        options=Options(own=parse_options(options)),
    )


def verdict(
    raw: bytes,
    report_data: bytes | None,
    *options: str,
    init_data: Digest | None = None,
    now: datetime = NOW,
) -> VerifiedEvidence:
    expected = Expectation(report_data=report_data, init_data=init_data)
    (found,) = verify(TEE, raw, expected, inputs(*options, now=now))
    return found


def refused_at(raw: bytes, report_data: bytes | None = SESSION, *options: str, **how: Any) -> str:
    with pytest.raises(VerificationError) as caught:
        verdict(raw, report_data, *options, **how)
    return caught.value.refusal.step.removeprefix("az-snp-vtpm.").split(" ", 1)[1]


@pytest.fixture(scope="module")
def machine() -> Presented:
    """Evidence of version 1, put together of a machine's report, quote and certificate."""
    quote = msgspec.json.decode(vector(TEE, "tpm-quote-v1.json").read_bytes())
    return Presented(
        version=1,
        signature=bytes.fromhex(quote["signature"]),
        message=bytes.fromhex(quote["message"]),
        pcrs=tuple(bytes.fromhex(value) for value in quote["pcrs"]),
        hcl_report=vector(TEE, "hcl-report.bin").read_bytes(),
        endorsement=pem.blocks(vector(TEE, "vcek.pem").read_bytes())[0],
    )


def changed(data: bytes, at: int, change: Callable[[int], int]) -> bytes:
    return data[:at] + bytes((change(data[at]) & 0xFF,)) + data[at + 1 :]


@pytest.mark.parametrize("version", [0, 1])
def test_old_versions_pass_where_an_option_accepts_them(version: int) -> None:
    found = verdict(evidence(version), CHALLENGE, *OLD)
    assert found.claims["tpm"]["pcr00"] == (
        "e15c44796beabf46abcec7c57e590942041e47497e4ec27571c8b7664f48dced"
    )
    assert found.report_data == CHALLENGE


@pytest.mark.check("az-snp-vtpm", 2)
@pytest.mark.parametrize(
    ("version", "options"), [(0, ()), (1, ()), (0, ("az-snp-vtpm.min_version=1",))]
)
def test_old_versions_are_refused_unless_an_option_accepts_them(
    version: int, options: tuple[str, ...]
) -> None:
    assert refused_at(evidence(version), CHALLENGE, *options) == "version"


def test_version_2_passes_with_upstreams_claims() -> None:
    found = verdict(evidence(2), SESSION)
    claims = found.claims
    assert claims["tpm"]["pcr00"] == (
        "84275b2f4312cd4fc6cbe6b152ad3c3683e513d9f1e23c34fca160c8cca7a6a7"
    )
    assert len(claims["tpm"]) == 24
    assert claims["report_data"] == SESSION.hex()
    assert claims["init_data"] == bytes(32).hex()
    assert claims["measurement"] == (
        "WwzmStHB9jddvaX3YLmFJsobz5G4GVCRr8KOewJCUdaP4y4FrzQEjWYHZ4zSMoP/"
    )
    assert {name: claims[name] for name in sorted(claims) if isinstance(claims[name], str)} == {
        "init_data": bytes(32).hex(),
        "measurement": claims["measurement"],
        "platform_smt_enabled": "true",
        "platform_tsme_enabled": "false",
        "policy_abi_major": "0",
        "policy_abi_minor": "31",
        "policy_debug_allowed": "false",
        "policy_migrate_ma": "false",
        "policy_single_socket": "false",
        "policy_smt_allowed": "true",
        "report_data": SESSION.hex(),
        "reported_tcb_bootloader": "4",
        "reported_tcb_microcode": "219",
        "reported_tcb_snp": "24",
        "reported_tcb_tee": "0",
    }


def test_typed_twin_says_the_same() -> None:
    claims = verdict(evidence(2), SESSION).claims
    typed = claims["typed"]
    texts = {k: v for k, v in claims.items() if isinstance(v, str) and k in typed}
    same = {k: str(typed[k]).lower() for k in texts if k != "measurement"}
    assert same == {k: v for k, v in texts.items() if k != "measurement"}
    assert bytes.fromhex(typed["measurement"])[:3] == b"\x5b\x0c\xe6"
    assert claims["hcl"]["vm_configuration"]["secure-boot"] is True


def test_old_name_on_the_wire_is_the_same_tee() -> None:
    expected = Expectation(report_data=SESSION)
    (found,) = verify("azsnpvtpm", evidence(2), expected, inputs())
    assert found.tee == TEE


def test_steps_that_were_not_made_are_shown_as_skipped() -> None:
    trail = trail_of(TEE)
    verify(TEE, evidence(2), Expectation(report_data=None), inputs(), trail)
    skipped = [one.name for one in trail.results if one.result is Result.SKIPPED]
    assert skipped == ["nonce", "revocation", "initdata"]


def test_another_session_is_refused() -> None:
    assert refused_at(evidence(2), bytes.fromhex("123abc")) == "nonce"


@pytest.mark.check("az-snp-vtpm", 9)
def test_padded_report_data_is_not_the_quotes_nonce() -> None:
    assert refused_at(evidence(2), SESSION.ljust(64, b"\0")) == "nonce"


def test_version_2_relabelled_as_version_1_is_refused() -> None:
    old = encode(msgspec.structs.replace(parse(evidence(2)), version=1))
    assert refused_at(old) == "version"
    assert verdict(old, SESSION, *OLD).report_data == SESSION


@pytest.mark.check("az-snp-vtpm", 13)
def test_report_of_another_session_is_refused(machine: Presented) -> None:
    relabelled = encode(msgspec.structs.replace(machine, version=2))
    for report_data in (CHALLENGE, None):
        assert refused_at(relabelled, report_data, *OLD_REPORT) == "user data"


@pytest.mark.check("az-snp-vtpm", 11)
def test_report_that_names_no_processor_is_refused_unless_an_option_accepts_it(
    machine: Presented,
) -> None:
    assert refused_at(encode(machine), CHALLENGE, *OLD) == "snp report"


def test_evidence_put_together_of_the_parts_passes(machine: Presented) -> None:
    assert verdict(encode(machine), CHALLENGE, *OLD_REPORT).report_data == CHALLENGE


@pytest.mark.parametrize(
    ("at", "change", "step"),
    [
        pytest.param(0x1A6, lambda _: 0, "certified tcb", id="snp patch level"),
        pytest.param(0x6E0, lambda byte: byte + 1, "variable data", id="variable data"),
        pytest.param(0x540, lambda _: 0, "tpm key", id="attestation key"),
        pytest.param(0x000, lambda byte: byte ^ 1, "hcl report", id="magic"),
        pytest.param(0x4CC, lambda _: 2, "hcl report", id="sha-384"),
        pytest.param(0x4C8, lambda _: 4, "hcl report", id="tdx"),
        pytest.param(0x020 + 0x18B, lambda _: 1, "snp report", id="reserved byte"),
        pytest.param(0x020 + 0x090, lambda byte: byte ^ 1, "report signature", id="measurement"),
        pytest.param(0x020 + 0x030, lambda _: 1, "report signature", id="vmpl"),
        pytest.param(0x020 + 0x1A0, lambda byte: byte ^ 1, "chip", id="chip"),
        pytest.param(0x020 + 0x070, lambda _: 1, "variable data", id="report data's rest"),
    ],
)
def test_changed_report_is_refused(
    machine: Presented, at: int, change: Callable[[int], int], step: str
) -> None:
    wrong = msgspec.structs.replace(machine, hcl_report=changed(machine.hcl_report, at, change))
    assert refused_at(encode(wrong), CHALLENGE, *OLD_REPORT) == step


@pytest.mark.check("az-snp-vtpm", 6)
def test_changed_signature_is_refused(machine: Presented) -> None:
    wrong = changed(machine.signature, 0, lambda byte: byte ^ 1)
    assert refused_at(
        encode(msgspec.structs.replace(machine, signature=wrong)), CHALLENGE, *OLD
    ) == ("signature")


def test_reversed_nonce_is_refused(machine: Presented) -> None:
    assert refused_at(encode(machine), CHALLENGE[::-1], *OLD_REPORT) == "nonce"


@pytest.mark.check("az-snp-vtpm", 10)
def test_changed_register_is_refused(machine: Presented) -> None:
    pcrs = (changed(machine.pcrs[0], 0, lambda byte: byte ^ 1), *machine.pcrs[1:])
    assert refused_at(
        encode(msgspec.structs.replace(machine, pcrs=pcrs)), CHALLENGE, *OLD_REPORT
    ) == ("pcr digest")


@pytest.mark.check("az-snp-vtpm", 8)
@pytest.mark.parametrize("count", [0, 23, 25])
def test_other_than_24_registers_are_refused(machine: Presented, count: int) -> None:
    pcrs = (*machine.pcrs, bytes(32))[:count]
    assert refused_at(
        encode(msgspec.structs.replace(machine, pcrs=pcrs)), CHALLENGE, *OLD_REPORT
    ) == ("pcr values")


@pytest.mark.check("az-snp-vtpm", 5)
def test_attestation_of_another_type_is_refused(machine: Presented) -> None:
    message = changed(machine.message, 5, lambda _: 0x17)
    assert refused_at(
        encode(msgspec.structs.replace(machine, message=message)), CHALLENGE, *OLD
    ) == ("quote")


@pytest.mark.check("az-snp-vtpm", 27)
def test_initdata_that_is_not_bound_is_refused() -> None:
    assert refused_at(evidence(2), init_data=sha256(b"initdata")) == "initdata"


@pytest.mark.check("az-snp-vtpm", 16)
@pytest.mark.parametrize("year", [2024, 2033])
def test_certificate_out_of_its_dates_is_refused(year: int) -> None:
    assert refused_at(evidence(2), now=datetime(year, 1, 1, tzinfo=UTC)) == "chain"


def test_without_amds_certificates_nothing_passes() -> None:
    with pytest.raises(VerificationError, match=r"\.16 chain"):
        verify(TEE, evidence(2), Expectation(report_data=SESSION), Inputs(now=NOW))


def test_padded_base64url_is_read() -> None:
    found = msgspec.json.decode(evidence(2))
    for member in ("hcl_report", "vcek"):
        found[member] = found[member].rstrip("=") + "=" * (-len(found[member].rstrip("=")) % 4)
    assert verdict(msgspec.json.encode(found), SESSION).tee == TEE
    for member in ("hcl_report", "vcek"):
        found[member] = found[member].rstrip("=")
    assert verdict(msgspec.json.encode(found), SESSION).tee == TEE


@pytest.mark.check("az-snp-vtpm", 1)
@pytest.mark.parametrize("version", [0, 3, -1, "2", "", None, 2.5, True, [2], 1 << 70])
def test_versions_that_nobody_knows_are_refused(version: Any) -> None:
    found = msgspec.json.decode(evidence(2)) | {"version": version}
    assert refused_at(msgspec.json.encode(found)) == "shape"


@pytest.mark.parametrize("name", ["act-hcl-report-snp.bin", "hcl-report.bin"])
def test_reports_of_the_paravisor_are_read(name: str) -> None:
    raw = vector(TEE, name).read_bytes()
    report = HclReport.parse(raw)
    assert report.hardware_report[0x50:0x90] == report.binding
    assert report.encode(len(raw)) == raw


@pytest.mark.check("az-snp-vtpm", 7)
def test_real_quote_over_other_registers_is_refused() -> None:
    quote = Quote.parse(vector(TEE, "tpm-quote.msg").read_bytes())
    assert quote.selections == (PcrSelection(ALG_SHA256, b"\xff\x40\x00"),)
    with pytest.raises(VerificationError, match="pcrSelect"), trail_of(TEE).step(7) as step:
        verify_selection(step, quote)


def test_own_encoding_is_upstreams() -> None:
    for version in (0, 1, 2):
        raw = evidence(version)
        again = msgspec.json.decode(encode(parse(raw)))
        given = msgspec.json.decode(raw)
        for member in ("hcl_report", "vcek"):
            if version and member in given:
                given[member] = base64url.encode(base64url.decode(given[member].rstrip("=")))
        if version == 0:
            given["vcek"] = again["vcek"] = pem.blocks(given["vcek"].encode())[0].hex()
        assert again == given
