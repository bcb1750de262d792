"""Which of many documents is used, and that only what Intel signed is read."""

import json
from datetime import datetime, timedelta

import msgspec
import pytest

from casemate.crypto import pem
from casemate.crypto.certificate import Certificate
from casemate.crypto.vendor_chain import ChainMemory
from casemate.tee.anchors import Anchors
from casemate.tee.dcap import collateral, fake_collateral, fake_platform, platform
from casemate.tee.dcap.options import DcapOptions, TcbUpdate
from casemate.tee.dcap.quote import SignatureData, TeeType
from casemate.tee.evidence import Inputs
from casemate.tee.material import Material
from casemate.tee.simulation import Changes, Simulated
from tests.sim.dcap import (
    NOW,
    inputs_of,
    options,
    refusal,
    simulated,
    verdict,
)


def export_of(made: Simulated) -> dict[str, str]:
    found: dict[str, str] = json.loads(made.collateral["collateral.json"])
    return found


def with_collateral(made: Simulated, files: dict[str, bytes]) -> Simulated:
    return msgspec.structs.replace(made, collateral=files)


def answer(text: str, signature: str, member: str = "tcbInfo") -> bytes:
    return f'{{"{member}":{text},"signature":"{signature}"}}'.encode()


def test_blanks_of_the_client_tool_do_not_break_the_signature() -> None:
    made = simulated("tdx", form="client_tool")
    (body,) = made.collateral.values()
    assert b'"tcbInfo": {\n' in body
    assert verdict(made).claims["tcb_status"] == "UpToDate"


def test_client_tools_files_may_hold_answers_as_text() -> None:
    folder = export_of(made := simulated("tdx"))
    tool = {
        "tcbinfos": [
            {
                "fmspc": "00906ED50000",
                "tdx_tcbinfo": answer(folder["tcb_info"], folder["tcb_info_signature"]).decode(),
                "sgx_tcbinfo": None,
                "sgx_tcbinfo_early": '"not JSON',
            }
        ],
        "tdqeidentity": answer(
            folder["qe_identity"], folder["qe_identity_signature"], "enclaveIdentity"
        ).decode(),
        "certificates": {"tcb-info-issuer-chain": folder["tcb_info_issuer_chain"]},
        "pckcacrl": {"platformCrl": folder["pck_crl"], "processorCrl": ""},
        "rootcacrl": folder["root_ca_crl"],
        "rootcacrl_cdp": "",
    }
    body = json.dumps({"platforms": [], "collaterals": tool}).encode()
    assert verdict(with_collateral(made, {"x": body})).claims["tcb_status"] == "UpToDate"


def test_second_member_of_the_same_name_cannot_be_read_instead_of_the_signed_one() -> None:
    folder = export_of(made := simulated("tdx", tcb_status="OutOfDate"))
    signed, signature = folder["tcb_info"], folder["tcb_info_signature"]
    better = signed.replace("OutOfDate", "UpToDate")
    rest = dict(folder)
    for name in ("tcb_info", "tcb_info_signature"):
        rest.pop(name)
    files = {"rest.json": json.dumps(rest).encode()}
    for first, second in ((better, signed), (signed, better)):
        body = f'{{"tcbInfo":{first},"signature":"{signature}","tcbInfo":{second}}}'.encode()
        changed = with_collateral(made, {**files, "tcb.json": body})
        if second is signed:
            assert verdict(changed).claims["tcb_status"] == "OutOfDate"
        else:
            assert " collateral" in refusal(changed)


@pytest.mark.parametrize("tail", ["{}", ",", "\0", " x"])
def test_anything_behind_a_document_makes_it_none(tail: str) -> None:
    made = simulated("tdx")
    body = made.collateral["collateral.json"] + tail.encode()
    assert "TCB info: got none" in refusal(with_collateral(made, {"c.json": body}))


def test_files_of_no_known_form_are_passed_over() -> None:
    made = simulated("tdx")
    folder = export_of(made)
    files = {
        "a.json": made.collateral["collateral.json"],
        "c.json": b'{"tcbInfo": [], "signature": "00"}',
        "d.json": answer(folder["tcb_info"], "00"),
        "e.json": answer("{", folder["tcb_info_signature"]),
        "f.txt": b"3082 not hex",
        "g.txt": b"30" * 1_500_000,
        "h.pem": b"-----BEGIN%20CERTIFICATE-----%0AMAA=%0A-----END%20CERTIFICATE-----",
        "i.json": b'{"tcbInfo":' + b"[" * 100_000,
    }
    assert verdict(with_collateral(made, files)).claims["tcb_status"] == "UpToDate"


class Intel:
    """One platform, and any number of documents about it, by one signer."""

    def __init__(self) -> None:
        self.fake = fake_platform.mint(Changes({}, {}), NOW)
        self.files: dict[str, bytes] = {}
        self.publish("other.json", TeeType.SGX)
        chain = [self.fake.pck, self.fake.authority, self.fake.root]
        text = b"".join(pem.encode(one, "CERTIFICATE") for one in chain)
        root = Certificate.parse(self.fake.root).fingerprint
        self.anchors = Anchors(pins=frozenset({root}))
        data = SignatureData(
            signature=b"",
            attestation_key=b"",
            qe_report=b"",
            qe_signature=b"",
            auth_data=b"",
            certificates=text,
        )
        self.platform = platform.verify(data, Inputs(now=NOW, anchors=self.anchors))

    def publish(self, name: str, tee: TeeType = TeeType.TDX, **fields: str) -> None:
        changes = Changes(fake_collateral.FIELDS, fields)
        made = fake_collateral.mint(changes, tee, self.fake, NOW)
        self.files[name] = fake_collateral.files(changes, made, tee)["collateral.json"]

    def chosen(
        self, *, update: str = "early", at: datetime = NOW, memory: ChainMemory | None = None
    ) -> int:
        """Give the evaluation number of the TCB info that is used."""
        material = Material.of_files(self.files)
        given = Inputs(now=at, anchors=self.anchors, collateral=material, memory=memory)
        chosen = DcapOptions(tcb_update_type=TcbUpdate(update))
        found = collateral.documents(
            TeeType.TDX, self.platform, collateral.Shelf(given), given, chosen
        )
        return found.tcb_info.tcb_evaluation_data_number


def test_newest_document_that_is_issued_is_used() -> None:
    intel = Intel()
    intel.publish("a.json", tcb_eval="1", tcb_issued="-9")
    intel.publish("b.json", tcb_eval="2", tcb_issued="-5")
    intel.publish("c.json", tcb_eval="3", tcb_issued="-7")
    intel.publish("d.json", tcb_eval="4", tcb_issued="3")
    assert intel.chosen() == 2
    assert intel.chosen(at=NOW - timedelta(days=6)) == 3
    assert intel.chosen(at=NOW + timedelta(days=4)) == 4
    assert intel.chosen(at=NOW - timedelta(days=20)) == 1


def test_what_is_remembered_ends_when_a_newer_document_begins() -> None:
    intel, memory = Intel(), ChainMemory()
    intel.publish("a.json", tcb_eval="1", tcb_issued="-9")
    intel.publish("b.json", tcb_eval="2", tcb_issued="-5")
    for days, number in ((-6, 1), (-9, 1), (-4, 2), (0, 2), (-7, 1), (-20, 1), (3, 2)):
        assert intel.chosen(at=NOW + timedelta(days=days), memory=memory) == number


def test_document_of_the_wanted_evaluation_goes_first() -> None:
    intel = Intel()
    intel.publish("intel/tdx/tcb/x/early.json", tcb_eval="18", tcb_issued="-9")
    intel.publish("intel/tdx/tcb/x/standard.json", tcb_eval="17", tcb_issued="-5")
    intel.publish("whatever.json", tcb_eval="19", tcb_issued="-1")
    assert intel.chosen(update="early") == 18
    assert intel.chosen(update="standard") == 17


def test_document_by_somebody_else_does_not_hide_intels() -> None:
    made = simulated("tdx")
    other = simulated("tdx", tcb_status="OutOfDate", tcb_issued="0", qeid_issued="0")
    files = {"other.json": other.collateral["collateral.json"], **made.collateral}
    assert verdict(with_collateral(made, files)).claims["tcb_status"] == "UpToDate"


def test_list_that_names_the_platform_counts_beside_a_newer_one() -> None:
    made = simulated("tdx")
    folder = export_of(made)
    assert "revoked" in refusal(simulated("tdx", revoked="pck"))
    files = {"c.json": json.dumps(folder | {"pck_crl": ""}).encode()}
    assert "none that it signed" in refusal(with_collateral(made, files))


@pytest.mark.parametrize("tee", ["tdx", "sgx"])
def test_what_is_remembered_gives_the_same_claims(tee: str) -> None:
    memory = ChainMemory()
    made = simulated(tee)
    given = inputs_of(made, memory=memory)
    assert verdict(made, given).claims == verdict(made, given).claims
    assert verdict(made, given).claims == verdict(made).claims


@pytest.mark.parametrize("tee", ["tdx", "sgx"])
def test_memory_does_not_outlive_dates_lists_or_trust(tee: str) -> None:
    memory = ChainMemory()
    made = simulated(tee)
    verdict(made, inputs_of(made, memory=memory))
    late = NOW + timedelta(days=60)
    assert "collateral age" in refusal(made, inputs_of(made, now=late, memory=memory))
    later = NOW + timedelta(days=365 * 8)
    assert "pck chain" in refusal(made, inputs_of(made, now=later, memory=memory))
    early = NOW - timedelta(days=2)
    assert "revocation" in refusal(made, inputs_of(made, now=early, memory=memory))
    assert "pck chain" in refusal(made, inputs_of(made, trusted=False, memory=memory))
    bare = with_collateral(made, {})
    assert "collateral" in refusal(bare, inputs_of(bare, memory=memory))


def test_memory_keeps_nothing_of_the_future() -> None:
    memory = ChainMemory()
    made = simulated("tdx", list_issued="5")
    chosen = options("tdx.allow_future_crl=true")
    verdict(made, inputs_of(made, options=chosen, memory=memory))
    assert "revocation" in refusal(made, inputs_of(made, memory=memory))
    ahead = simulated("tdx", tcb_issued="5")
    for _ in range(2):
        assert "collateral age" in refusal(ahead, inputs_of(ahead, memory=memory))


def test_memory_does_not_carry_revocation_from_one_platform_to_another() -> None:
    memory = ChainMemory()
    revoked = simulated("tdx", revoked="pck")
    for _ in range(2):
        assert "revoked" in refusal(revoked, inputs_of(revoked, memory=memory))


def test_grace_may_be_as_long_as_an_operator_likes() -> None:
    made = simulated("tdx", list_next="-400")
    wide = options("tdx.collateral_grace_days=36500")
    assert verdict(made, inputs_of(made, options=wide)).claims["collateral_expired"] is True
