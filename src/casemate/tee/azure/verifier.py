"""What the verifiers of both Azure TEEs do first: the quote of the paravisor's TPM (tee §7.3).

The attestation key is believed here and vouched for later: only when the hardware's report is
verified, and binds the variable data that the key stands in, does anything of this count.
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from casemate.crypto.digest import Digest
from casemate.crypto.keys import PublicKey
from casemate.errors import InputError
from casemate.tee.azure.evidence import Presented
from casemate.tee.azure.hcl import HclReport, Kind
from casemate.tee.azure.variable_data import AK_NAME, USER_DATA_SIZE, VariableData
from casemate.tee.trail import Check, Step, Topic, Trail
from casemate.tee.vtpm.quote import (
    verify_pcr_digest,
    verify_register,
    verify_selection,
    verify_signature,
    verify_sizes,
)
from casemate.tee.vtpm.report import INIT_DATA_PCR, init_data_register
from casemate.wire.tpm import Quote

_T = Topic
CHECKS: Final = (
    Check(1, "shape", _T.SHAPE, "members, lists of bytes, hex, base64url", "tee §7.1"),
    Check(
        2,
        "version",
        _T.SHAPE,
        "the evidence is of version 2, or not older than an option says",
        "tee §7.1",
        ours=True,
    ),
    Check(
        3,
        "hcl report",
        _T.SHAPE,
        "constants, sizes and hash type of the paravisor's report; its kind is the TEE's",
        "tee §7.2",
        ours=True,
    ),
    Check(
        4,
        "tpm key",
        _T.IDENTITY,
        "the variable data names one RSA key HCLAkPub",
        "tee §7.2",
    ),
    Check(5, "quote", _T.SHAPE, "magic, type, nothing left over", "tee §6"),
    Check(6, "signature", _T.SIGNATURE, "RSASSA with SHA-256 over the quote", "tee §7.3"),
    Check(
        7, "selection", _T.MEASUREMENTS, "SHA-256, PCR 0 to 23, exactly once", "tee §6", ours=True
    ),
    Check(8, "pcr values", _T.SHAPE, "24 values of 32 bytes", "tee §6", ours=True),
    Check(
        9,
        "nonce",
        _T.FRESHNESS,
        "the quote's nonce is the report data, as long as it is",
        "tee §7.3",
    ),
    Check(10, "pcr digest", _T.MEASUREMENTS, "the values hash to what was signed", "tee §7.3"),
)
"""Steps 1 to 10 of both TEEs; each adds its own from 11 on."""


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """What the quote says, should its key be vouched for."""

    presented: Presented
    hcl: HclReport
    variable_data: VariableData
    quote: Quote
    pcrs: tuple[bytes, ...]


def verify_quote(
    raw: bytes,
    trail: Trail,
    *,
    read: Callable[[bytes], Presented],
    kind: Kind,
    min_version: int,
    report_data: bytes | None,
) -> Machine:
    """Make steps 1 to 10.

    Args:
        raw: evidence, JSON.
        trail: of the TEE's verification.
        read: the TEE's reader of evidence.
        kind: which hardware the report must be of.
        min_version: oldest version of evidence to accept.
        report_data: what the quote must be bound to; None leaves freshness open.

    Raises:
        VerificationError: naming the step.
    """
    with trail.step(1) as step:
        presented = read(raw)
        step.detail = f"version {presented.version}"
    with trail.step(2) as step:
        step.require(
            presented.version >= min_version,
            "version",
            presented.version or "none",
            f"at least {min_version}",
            remedy="update the guest; its evidence does not bind the paravisor's report to the "
            f"session (option {trail.tee}.min_version accepts it)",
        )
    with trail.step(3) as step:
        hcl = HclReport.parse(presented.hcl_report)
        step.require(hcl.kind is kind, "report type", hcl.kind.name, kind.name)
    with trail.step(4) as step:
        variable_data = VariableData.parse(hcl.variable_data)
        key = _attestation_key(step, variable_data)
    with trail.step(5):
        quote = Quote.parse(presented.message)
    with trail.step(6) as step:
        verify_signature(
            step,
            claim="tpm_quote.signature",
            key=key,
            signature=presented.signature,
            message=presented.message,
        )
    with trail.step(7) as step:
        verify_selection(step, quote)
    with trail.step(8) as step:
        pcrs = verify_sizes(step, presented.pcrs)
    if report_data is None:
        trail.skip(9, "no report data was expected")
    else:
        with trail.step(9) as step:
            step.require_equal(
                "extraData",
                quote.extra_data,
                report_data,
                remedy="evidence serves only the session whose nonce and key it was made for",
            )
    with trail.step(10) as step:
        verify_pcr_digest(step, quote, pcrs)
    return Machine(
        presented=presented, hcl=hcl, variable_data=variable_data, quote=quote, pcrs=pcrs
    )


def _attestation_key(step: Step, data: VariableData) -> PublicKey:
    try:
        key = PublicKey.from_jwk(data.attestation_key)
    except InputError as error:
        raise step.refusal(claim=AK_NAME, got=error.got, expected="an RSA key") from error
    step.detail = f"key {hashlib.sha256(key.der()).hexdigest()}"
    return key


def verify_binding(step: Step, report_data: bytes, hcl: HclReport) -> None:
    """Verify that the hardware's report data (64 bytes) is the variable data's hash and zeros.

    Raises:
        VerificationError: it is something else.
    """
    step.require_equal(
        "report_data of the hardware report",
        report_data,
        hcl.binding,
        remedy="the variable data, which names the TPM's key, is not what the processor signed",
    )


def verify_user_data(trail: Trail, number: int, machine: Machine, wanted: bytes | None) -> None:
    """Make the step of the report's user data: report data, padded with zeros to 64 bytes.

    Where no report data is expected, it must be the quote's nonce: report and quote are then of
    one session, whichever that is. Evidence before version 2 does not have it.

    Raises:
        VerificationError: it is something else, absent, or the report data does not fit.
    """
    if machine.presented.version < 2:
        trail.skip(number, f"version {machine.presented.version} does not bind user data")
        return
    with trail.step(number) as step:
        data = machine.quote.extra_data if wanted is None else wanted
        step.require(
            len(data) <= USER_DATA_SIZE,
            "report data",
            f"{len(data)} bytes",
            f"at most {USER_DATA_SIZE} bytes",
        )
        step.require_equal(
            "user-data",
            machine.variable_data.user_bytes,
            data.ljust(USER_DATA_SIZE, b"\0"),
            remedy="the paravisor's report is of another session; write the report data first",
        )


def verify_init_data(
    trail: Trail, number: int, pcrs: Sequence[bytes], digest: Digest | None
) -> None:
    """Make the step of PCR 8: SHA256(32 zeros, digest).

    Raises:
        VerificationError: it holds something else, or the digest is not SHA-256.
    """
    if digest is None:
        trail.skip(number, "no initdata was presented; the claim init_data is the policy's")
        return
    with trail.step(number) as step:
        try:
            wanted = init_data_register(digest)
        except InputError as error:
            raise step.refusal(
                claim="initdata digest",
                got=error.got,
                expected="sha256",
                remedy="PCR 8 binds 32 bytes: choose sha256 in the initdata",
            ) from error
        verify_register(
            step,
            pcr=INIT_DATA_PCR,
            value=pcrs[INIT_DATA_PCR],
            wanted=wanted,
            why=f"for initdata {digest}",
        )
