import hashlib
from collections.abc import Iterator

import msgspec
import pytest

from casemate.crypto import base64url, pem
from casemate.crypto.digest import Algorithm, Digest, sha256
from casemate.crypto.keys import PublicKey
from casemate.errors import HostError, InputError, PeerError
from casemate.linux.tpm import EmulatedTpm
from casemate.tee.az_snp_vtpm import attester as snp
from casemate.tee.az_snp_vtpm.report import parse as parse_snp
from casemate.tee.az_tdx_vtpm import attester as tdx
from casemate.tee.az_tdx_vtpm.report import parse as parse_tdx
from casemate.tee.azure.attester import (
    REPORT_INDEX,
    USER_DATA_INDEX,
    AzureAttester,
    Paravisor,
    kind_of,
)
from casemate.tee.azure.hcl import HclReport, Kind
from casemate.tee.azure.metadata import Request
from casemate.tee.azure.variable_data import VariableData
from casemate.tee.vtpm.report import init_data_register
from casemate.tee.vtpm.tpm import Tpm
from casemate.wire import tpm_command as commands
from casemate.wire.tpm import ALL_PCRS, Quote
from tests.sim.swtpm import booted, require_swtpm
from tests.tee.azure.machine import ATTRIBUTES, NV_SIZE, FakeParavisor, make_key

NONCE = bytes(range(48))


@pytest.fixture(scope="module")
def transport(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatedTpm]:
    require_swtpm()
    with booted(tmp_path_factory.mktemp("tpm")) as found:
        make_key(Tpm(found))
        yield found


@pytest.fixture
def paravisor(transport: EmulatedTpm) -> Iterator[FakeParavisor]:
    tpm = Tpm(transport)
    tpm.run(commands.shutdown())
    transport.reset()
    tpm.start()
    key = PublicKey.from_der(tpm.public(0x81000003).spki()).jwk()
    made = FakeParavisor(tpm, msgspec.structs.replace(key, kid="HCLAkPub"))  # type: ignore[arg-type]
    yield made
    for index in (REPORT_INDEX, USER_DATA_INDEX):
        if tpm.nv_size(index) is not None:
            tpm.drop_nv(index, by=commands.RH_OWNER)


def no_service(request: Request) -> bytes:
    raise HostError(request.url, got="no route", want="an answer")


class Service:
    """The metadata service: remembers what it was asked for."""

    def __init__(self, answer: object) -> None:
        self.answer = msgspec.json.encode(answer)
        self.asked: list[Request] = []

    def fetch(self, request: Request) -> bytes:
        self.asked.append(request)
        return self.answer


VCEK = Service({"vcekCert": pem.encode(b"der", "CERTIFICATE").decode(), "certificateChain": ""})


def attester(transport: EmulatedTpm, paravisor: FakeParavisor) -> AzureAttester:
    return snp.attester(transport, fetch=VCEK.fetch, wait=paravisor.wait)


def test_evidence_of_snp_binds_report_and_quote_to_the_session(
    transport: EmulatedTpm, paravisor: FakeParavisor
) -> None:
    made = attester(transport, paravisor)
    found = parse_snp(made.evidence(NONCE))
    assert (made.tee, found.version, found.endorsement) == ("az-snp-vtpm", 2, b"der")
    data = VariableData.parse(HclReport.parse(found.hcl_report).variable_data)
    assert data.user_bytes == NONCE.ljust(64, b"\0")
    quote = Quote.parse(found.message)
    assert (quote.extra_data, quote.selections) == (NONCE, (ALL_PCRS,))
    assert quote.pcr_digest == hashlib.sha256(b"".join(found.pcrs)).digest()
    key = PublicKey.from_jwk(data.attestation_key)
    key.verify(found.signature, found.message, "RS256")


def test_evidence_of_tdx_holds_the_quote_of_its_report(
    transport: EmulatedTpm, paravisor: FakeParavisor
) -> None:
    paravisor.kind = Kind.TDX
    service = Service({"quote": base64url.encode(b"the TD quote")})
    made = tdx.attester(transport, fetch=service.fetch, wait=paravisor.wait)
    found = parse_tdx(made.evidence(NONCE))
    assert (made.tee, found.endorsement) == ("az-tdx-vtpm", b"the TD quote")
    (request,) = service.asked
    sent = base64url.decode(msgspec.json.decode(request.body)["report"])
    assert sent == HclReport.parse(found.hcl_report).hardware_report[:1024]
    assert request.url == "http://169.254.169.254/acc/tdquote"


def test_metadata_service_is_asked_for_the_vcek(
    transport: EmulatedTpm, paravisor: FakeParavisor
) -> None:
    attester(transport, paravisor).evidence(NONCE)
    assert VCEK.asked[-1].url == "http://169.254.169.254/metadata/THIM/amd/certification"
    assert VCEK.asked[-1].headers == (("Metadata", "true"),)
    assert VCEK.asked[-1].body == b""


def test_missing_metadata_service_is_an_error_of_the_host(
    transport: EmulatedTpm, paravisor: FakeParavisor
) -> None:
    made = snp.attester(transport, fetch=no_service, wait=paravisor.wait)
    with pytest.raises(HostError, match="no route"):
        made.evidence(NONCE)


def test_report_of_other_hardware_is_an_error(
    transport: EmulatedTpm, paravisor: FakeParavisor
) -> None:
    paravisor.kind = Kind.TDX
    with pytest.raises(HostError, match="TDX"):
        attester(transport, paravisor).evidence(NONCE)


def test_slow_paravisor_is_waited_for(transport: EmulatedTpm, paravisor: FakeParavisor) -> None:
    paravisor.deaf_for = 2
    attester(transport, paravisor).evidence(NONCE)
    assert paravisor.waits == 3


@pytest.mark.parametrize("fault", ["deaf", "old"])
def test_report_that_binds_nothing_is_an_error(
    transport: EmulatedTpm, paravisor: FakeParavisor, fault: str
) -> None:
    paravisor.deaf_for, paravisor.old = (99, False) if fault == "deaf" else (0, True)
    with pytest.raises(HostError, match="user-data"):
        attester(transport, paravisor).evidence(NONCE)
    assert paravisor.waits == 3


def test_second_session_writes_into_the_same_index(
    transport: EmulatedTpm, paravisor: FakeParavisor
) -> None:
    made = attester(transport, paravisor)
    for nonce in (NONCE, b"short", bytes(64)):
        assert Quote.parse(parse_snp(made.evidence(nonce)).message).extra_data == nonce


@pytest.mark.parametrize("size", [48, 100])
def test_index_of_another_size_is_used_or_made_anew(
    transport: EmulatedTpm, paravisor: FakeParavisor, size: int
) -> None:
    paravisor.tpm.write_nv(USER_DATA_INDEX, b"\xff" * size, ATTRIBUTES, by=commands.RH_OWNER)
    attester(transport, paravisor).evidence(NONCE)
    assert paravisor.tpm.nv_size(USER_DATA_INDEX) == max(size, 64)


def test_report_data_of_more_than_64_bytes_is_the_callers_mistake(
    transport: EmulatedTpm, paravisor: FakeParavisor
) -> None:
    with pytest.raises(InputError):
        attester(transport, paravisor).evidence(bytes(65))


def test_tpm_without_a_report_is_an_error(transport: EmulatedTpm, paravisor: FakeParavisor) -> None:
    paravisor.tpm.drop_nv(REPORT_INDEX, by=commands.RH_OWNER)
    with pytest.raises(HostError, match="no such index"):
        Paravisor(paravisor.tpm, paravisor.wait).report()
    assert kind_of(transport) is None


def test_detection_reads_the_reports_kind(transport: EmulatedTpm, paravisor: FakeParavisor) -> None:
    assert kind_of(transport) is Kind.SNP
    paravisor.kind = Kind.TDX
    paravisor.tpm.fill_nv(REPORT_INDEX, paravisor.report(bytes(64)), by=commands.RH_OWNER)
    assert kind_of(transport) is Kind.TDX


def test_index_of_somebody_else_is_no_report(
    transport: EmulatedTpm, paravisor: FakeParavisor
) -> None:
    paravisor.tpm.fill_nv(REPORT_INDEX, b"XXXX", by=commands.RH_OWNER)
    assert kind_of(transport) is None
    assert len(Paravisor(paravisor.tpm, paravisor.wait).report()) == NV_SIZE


def test_initdata_is_bound_once(transport: EmulatedTpm, paravisor: FakeParavisor) -> None:
    made = attester(transport, paravisor)
    digest = sha256(b"initdata")
    made.bind_init_data(digest)
    assert parse_snp(made.evidence(NONCE)).pcrs[8] == init_data_register(digest)
    with pytest.raises(HostError, match="PCR 8"):
        made.bind_init_data(digest)


def test_initdata_of_another_hash_is_the_callers_mistake(
    transport: EmulatedTpm, paravisor: FakeParavisor
) -> None:
    with pytest.raises(InputError):
        attester(transport, paravisor).bind_init_data(Digest.of(b"", Algorithm.SHA384))


def test_registers_are_extended(transport: EmulatedTpm, paravisor: FakeParavisor) -> None:
    made = attester(transport, paravisor)
    made.extend(14, bytes(32), b"event")
    expected = hashlib.sha256(bytes(64)).digest()
    assert parse_snp(made.evidence(NONCE)).pcrs[14] == expected
    for register, digest in ((8, bytes(32)), (24, bytes(32)), (-1, bytes(32)), (14, bytes(48))):
        with pytest.raises(InputError):
            made.extend(register, digest)


class Restless:
    """A TPM whose register 14 somebody extends after each reading."""

    def __init__(self, transport: EmulatedTpm, times: int) -> None:
        self.transport = transport
        self.times = times

    def transmit(self, command: bytes) -> bytes:
        quote = commands.quote(0x81000003, NONCE).raw
        if command == quote and self.times:
            self.times -= 1
            self.transport.transmit(commands.pcr_extend(14, bytes(32)).raw)
        return self.transport.transmit(command)


def test_quote_is_made_of_registers_at_rest(
    transport: EmulatedTpm, paravisor: FakeParavisor
) -> None:
    def made(times: int) -> AzureAttester:
        return snp.attester(Restless(transport, times), fetch=VCEK.fetch, wait=paravisor.wait)

    found = parse_snp(made(2).evidence(NONCE))
    assert Quote.parse(found.message).pcr_digest == hashlib.sha256(b"".join(found.pcrs)).digest()
    with pytest.raises(HostError, match="change meanwhile"):
        made(3).evidence(NONCE)


@pytest.mark.parametrize("answer", [{}, {"vcekCert": ""}, {"vcekCert": 1}, [], {"quote": "AA"}])
def test_nonsense_of_the_metadata_service_is_its_mistake(
    transport: EmulatedTpm, paravisor: FakeParavisor, answer: object
) -> None:
    made = snp.attester(transport, fetch=Service(answer).fetch, wait=paravisor.wait)
    with pytest.raises(PeerError):
        made.evidence(NONCE)
