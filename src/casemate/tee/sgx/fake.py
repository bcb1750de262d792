"""Enclaves without hardware: quotes of version 3."""

import hashlib
from datetime import datetime
from types import MappingProxyType
from typing import Final

from casemate.crypto.digest import Algorithm, Digest
from casemate.errors import InputError
from casemate.tee.dcap import fake
from casemate.tee.dcap.bodies import SGX_REPORT, SgxReport
from casemate.tee.evidence import fitted
from casemate.tee.sgx.report import TEE, SgxEvidence
from casemate.tee.simulation import COMMON, REPORT_DATA, Changes, Simulated

FIELDS: Final = MappingProxyType(
    {
        **{part.name: f"hex; {part.meaning}" for part in SGX_REPORT.parts},
        **fake.FIELDS,
        **COMMON,
    }
)
_ALGORITHMS: Final = {one.size: one for one in Algorithm}
_FLAGS: Final = bytes.fromhex("0500000000000000")
"""Initialised, 64 bit."""
_VERSION: Final = 3


def simulate(changes: Changes, now: datetime) -> Simulated:
    """Make SGX evidence.

    Raises:
        InputError: a value cannot be meant.
    """
    report_data = changes.data("report_data", REPORT_DATA)
    init_data = _init_data(changes)
    defaults = {
        "attributes.flags": _FLAGS,
        "attributes.xfrm": b"\xe7".ljust(8, b"\0"),
        "mr_enclave": hashlib.sha256(b"simulated enclave").digest(),
        "mr_signer": hashlib.sha256(b"simulated signer").digest(),
        "config_id": fitted(init_data.value if init_data else b"", 64),
    }
    fixed = {"report_data": fitted(report_data, 64)}
    body = SgxReport(*fake.fields_of(SGX_REPORT, changes, defaults, fixed))
    minted = fake.mint(changes, body, _VERSION, now)
    return Simulated(
        tee=TEE,
        evidence=SgxEvidence(minted.quote).encode(),
        binary=minted.quote,
        report_data=report_data,
        init_data=init_data,
        now=now,
        roots={"root.pem": minted.root},
        collateral=minted.collateral,
    )


def _init_data(changes: Changes) -> Digest | None:
    value = changes.data("init_data", b"")
    if not value:
        return None
    if len(value) not in _ALGORITHMS:
        raise InputError("init_data", got=f"{len(value)} bytes", want="32, 48 or 64 bytes")
    return Digest(_ALGORITHMS[len(value)], value)
