"""What Intel would publish about a simulated platform: signed, in each form that files have."""

from datetime import datetime
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import quote as url_quote

import msgspec

from casemate.crypto import pem
from casemate.crypto.keys import Kind, PrivateKey
from casemate.errors import InputError
from casemate.tee.dcap import fake_platform
from casemate.tee.dcap.collateral import QE_NAMES
from casemate.tee.dcap.fake_platform import COMPONENT_VALUES, PCE_SVN, FakePlatform, days
from casemate.tee.dcap.quote import TeeType
from casemate.tee.simulation import Changes

FIELDS: Final = MappingProxyType(
    {
        "form": "export (one JSON), pcs (answers and lists) or client_tool: how collateral is kept",
        "missing": "tcb_info, qe_identity, pck_crl, root_crl or signer: left out of the collateral",
        "document_signer": "tcb_info or qe_identity: that one is signed by another key",
        "tcb_id": "text; SGX or TDX",
        "tcb_version": "number",
        "tcb_fmspc": "hex of 6 bytes",
        "tcb_pce_id": "hex of 2 bytes",
        "tcb_type": "number",
        "tcb_eval": "number; evaluation of both documents",
        "tcb_issued": "days from the time of the simulation",
        "tcb_next": "days from the time of the simulation",
        "tcb_status": "status of the platform's newest level",
        "tcb_advisories": "text; advisories of the newest level, with commas",
        "tcb_levels": "false: no level at all",
        "module_status": "status of the newest level of the TDX module",
        "module_id": "text; TDX_01",
        "module_mrsigner": "hex of 48 bytes",
        "module_attributes": "hex of 8 bytes",
        "qeid_id": "text; QE or TD_QE",
        "qeid_version": "number",
        "qeid_issued": "days from the time of the simulation",
        "qeid_next": "days from the time of the simulation",
        "qeid_status": "status of the quoting enclave's newest level",
        "qeid_mrsigner": "hex of 32 bytes",
        "qeid_isvprodid": "number",
        "qeid_miscselect": "hex of 4 bytes",
        "qeid_attributes": "hex of 16 bytes",
    }
)
QE_SIGNER: Final = bytes(range(0x20, 0x40))
QE_ATTRIBUTES: Final = bytes.fromhex("11000000000000000000000000000000")
QE_PRODUCTS: Final = {TeeType.SGX: 1, TeeType.TDX: 2}
QE_SVN: Final = 8
"""Version of the newest level of the quoting enclave; the one below has 6, the last 4."""
MODULE_MAJOR: Final = 1
MODULE_SVN: Final = 6
"""Versions of the newest level of the TDX module; the level below has 4."""
TDX_COMPONENTS: Final = bytes((5, 0, 4)).ljust(16, b"\0")
_NEWEST: Final = "2024-11-13T00:00:00Z"
_OLDER: Final = "2024-03-13T00:00:00Z"
_OLDEST: Final = "2018-01-04T00:00:00Z"
_ADVISORY: Final = "INTEL-SA-01036"


class FakeCollateral(msgspec.Struct, frozen=True, kw_only=True):
    """Texts and signatures (hex), and the lists and certificates beside them."""

    tcb_info: bytes
    tcb_info_signature: str
    qe_identity: bytes
    qe_identity_signature: str
    platform: FakePlatform


def mint(changes: Changes, tee: TeeType, platform: FakePlatform, now: datetime) -> FakeCollateral:
    """Make and sign both documents, with what ``changes`` asks for."""
    moment = now.replace(microsecond=0)
    tcb_info = msgspec.json.encode(_tcb_info(changes, tee, platform, moment))
    identity = msgspec.json.encode(_qe_identity(changes, tee, moment))
    wrong = changes.text("document_signer", "")
    other = PrivateKey.generate(Kind.P256)
    keys = {name: other if wrong == name else platform.signer_key for name in _DOCUMENTS}
    return FakeCollateral(
        tcb_info=tcb_info,
        tcb_info_signature=keys["tcb_info"].sign(tcb_info, "ES256").hex(),
        qe_identity=identity,
        qe_identity_signature=keys["qe_identity"].sign(identity, "ES256").hex(),
        platform=platform,
    )


_DOCUMENTS: Final = ("tcb_info", "qe_identity")


def files(changes: Changes, collateral: FakeCollateral, tee: TeeType) -> dict[str, bytes]:
    """Write collateral as files, in the form that is asked for.

    Raises:
        InputError: a form or a part that nobody knows.
    """
    forms = {"export": _export, "pcs": _answers, "client_tool": _client_tool}
    form = fake_platform.choice(changes, "form", forms, "export")
    missing = changes.text("missing", "")
    if missing not in {"", *_PARTS}:
        raise InputError("missing", got=missing, want=", ".join(_PARTS))
    return form(collateral, tee, missing)


_PARTS: Final = ("tcb_info", "qe_identity", "pck_crl", "root_crl", "signer")


def _export(collateral: FakeCollateral, _tee: TeeType, missing: str) -> dict[str, bytes]:
    platform = collateral.platform
    signers = _chain(*([] if missing == "signer" else [platform.signer]), platform.root).decode()
    members = {
        "tcb_info": collateral.tcb_info.decode(),
        "tcb_info_signature": collateral.tcb_info_signature,
        "tcb_info_issuer_chain": signers,
        "qe_identity": collateral.qe_identity.decode(),
        "qe_identity_signature": collateral.qe_identity_signature,
        "qe_identity_issuer_chain": signers,
        "pck_crl": platform.pck_list.hex(),
        "pck_crl_issuer_chain": _chain(platform.authority, platform.root).decode(),
        "root_ca_crl": platform.root_list.hex(),
    }
    members.pop({"root_crl": "root_ca_crl"}.get(missing, missing), None)
    return {"collateral.json": msgspec.json.encode(members)}


def _answer(member: bytes, text: bytes, signature: str) -> bytes:
    return b'{"%b":%b,"signature":"%b"}' % (member, text, signature.encode())


def _answers(collateral: FakeCollateral, tee: TeeType, missing: str) -> dict[str, bytes]:
    platform = collateral.platform
    room, fmspc = f"intel/{tee.name.lower()}", platform.extension.fmspc.hex().upper()
    signers = url_quote(_chain(platform.signer, platform.root)).encode()
    tcb_info = _answer(b"tcbInfo", collateral.tcb_info, collateral.tcb_info_signature)
    identity = _answer(b"enclaveIdentity", collateral.qe_identity, collateral.qe_identity_signature)
    found = {
        "tcb_info": {f"{room}/tcb/{fmspc}/early.json": tcb_info},
        "qe_identity": {f"{room}/qe/early.json": identity},
        "pck_crl": {"intel/sgx/pckcrl/platform.der": platform.pck_list},
        "root_crl": {"intel/sgx/rootcacrl.der": platform.root_list.hex().encode()},
        "signer": {f"{room}/qe/early.json.pem": signers},
    }
    found.pop(missing, None)
    return {name: body for part in found.values() for name, body in part.items()}


def _client_tool(collateral: FakeCollateral, tee: TeeType, missing: str) -> dict[str, bytes]:
    """Write as Intel's tool does: parsed and written anew, with blanks between tokens."""
    platform = collateral.platform
    answers = {
        "tcb_info": _answer(b"tcbInfo", collateral.tcb_info, collateral.tcb_info_signature),
        "qe_identity": _answer(
            b"enclaveIdentity", collateral.qe_identity, collateral.qe_identity_signature
        ),
    }
    answers.pop(missing, None)
    name = tee.name.lower()
    entry: dict[str, Any] = {"fmspc": platform.extension.fmspc.hex().upper()}
    if "tcb_info" in answers:
        entry[f"{name}_tcbinfo_early"] = msgspec.Raw(answers["tcb_info"])
    chain = _chain(*([] if missing == "signer" else [platform.signer]), platform.root)
    members: dict[str, Any] = {
        "tcbinfos": [entry],
        "pckcacrl": {} if missing == "pck_crl" else {"platformCrl": platform.pck_list.hex()},
        "certificates": {
            "tcb-info-issuer-chain": url_quote(chain),
            "sgx-pck-crl-issuer-chain": {
                "PLATFORM": url_quote(_chain(platform.authority, platform.root))
            },
        },
        "rootcacrl": "" if missing == "root_crl" else platform.root_list.hex(),
    }
    if "qe_identity" in answers:
        prefix = {TeeType.SGX: "", TeeType.TDX: "td"}[tee]
        members[f"{prefix}qeidentity_early"] = answers["qe_identity"].decode()
    body = msgspec.json.format(msgspec.json.encode({"collaterals": members}), indent=2)
    return {"platform_collaterals.json": body}


def _chain(*ders: bytes) -> bytes:
    return b"".join(pem.encode(der, "CERTIFICATE") for der in ders)


def _time(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def _tcb_info(
    changes: Changes, tee: TeeType, platform: FakePlatform, now: datetime
) -> dict[str, Any]:
    extension = platform.extension
    found: dict[str, Any] = {
        "id": changes.text("tcb_id", tee.name),
        "version": changes.number("tcb_version", 3),
        "issueDate": _time(days(changes, "tcb_issued", -1, now)),
        "nextUpdate": _time(days(changes, "tcb_next", 29, now)),
        "fmspc": changes.data("tcb_fmspc", extension.fmspc).hex().upper(),
        "pceId": changes.data("tcb_pce_id", extension.pce_id).hex().upper(),
        "tcbType": changes.number("tcb_type", 0),
        "tcbEvaluationDataNumber": changes.number("tcb_eval", 17),
    }
    if tee is TeeType.TDX:
        module = {
            "mrsigner": changes.data("module_mrsigner", bytes(48)).hex().upper(),
            "attributes": changes.data("module_attributes", bytes(8)).hex().upper(),
            "attributesMask": "F" * 16,
        }
        levels = [
            _identity_level(MODULE_SVN, _NEWEST, changes.text("module_status", "UpToDate")),
            _identity_level(MODULE_SVN - 2, _OLDER, "OutOfDate", _ADVISORY),
        ]
        identity = {"id": changes.text("module_id", f"TDX_{MODULE_MAJOR:02X}"), **module}
        found |= {"tdxModule": module, "tdxModuleIdentities": [{**identity, "tcbLevels": levels}]}
    advisories = [one for one in changes.text("tcb_advisories", "").split(",") if one]
    status = changes.text("tcb_status", "UpToDate")
    levels = [
        _platform_level(tee, (0, PCE_SVN), _NEWEST, status, advisories),
        _platform_level(tee, (1, PCE_SVN), _OLDER, "OutOfDate", [_ADVISORY]),
        _platform_level(tee, (1, 5), _OLDEST, "OutOfDateConfigurationNeeded", [_ADVISORY]),
        _platform_level(tee, (2, 4), _OLDEST, "Revoked", []),
    ]
    return found | {"tcbLevels": levels if changes.flag("tcb_levels", default=True) else []}


def _platform_level(
    tee: TeeType, versions: tuple[int, int], date: str, status: str, advisories: list[str]
) -> dict[str, Any]:
    """Give a level: how far its components are below the newest (not below 0), and its PCE SVN."""
    below, pce_svn = versions
    tcb: dict[str, Any] = {
        "sgxtcbcomponents": [{"svn": max(one - below, 0)} for one in COMPONENT_VALUES],
        "pcesvn": pce_svn,
    }
    if tee is TeeType.TDX:
        tcb["tdxtcbcomponents"] = [{"svn": max(one - below, 0)} for one in TDX_COMPONENTS]
    level = {"tcb": tcb, "tcbDate": date, "tcbStatus": status}
    return level | ({"advisoryIDs": advisories} if advisories else {})


def _identity_level(svn: int, date: str, status: str, *advisories: str) -> dict[str, Any]:
    level: dict[str, Any] = {"tcb": {"isvsvn": svn}, "tcbDate": date, "tcbStatus": status}
    return level | ({"advisoryIDs": list(advisories)} if advisories else {})


def _qe_identity(changes: Changes, tee: TeeType, now: datetime) -> dict[str, Any]:
    return {
        "id": changes.text("qeid_id", QE_NAMES[tee]),
        "version": changes.number("qeid_version", 2),
        "issueDate": _time(days(changes, "qeid_issued", -1, now)),
        "nextUpdate": _time(days(changes, "qeid_next", 29, now)),
        "tcbEvaluationDataNumber": changes.number("tcb_eval", 17),
        "miscselect": changes.data("qeid_miscselect", bytes(4)).hex().upper(),
        "miscselectMask": "FFFFFFFF",
        "attributes": changes.data("qeid_attributes", QE_ATTRIBUTES).hex().upper(),
        "attributesMask": "FBFFFFFFFFFFFFFF0000000000000000",
        "mrsigner": changes.data("qeid_mrsigner", QE_SIGNER).hex().upper(),
        "isvprodid": changes.number("qeid_isvprodid", QE_PRODUCTS[tee]),
        "tcbLevels": [
            _identity_level(QE_SVN, _NEWEST, changes.text("qeid_status", "UpToDate")),
            _identity_level(QE_SVN - 2, _OLDER, "OutOfDate", "INTEL-SA-00477"),
            _identity_level(QE_SVN - 4, _OLDEST, "Revoked"),
        ],
    }
