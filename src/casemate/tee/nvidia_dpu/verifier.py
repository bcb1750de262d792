"""Verifier of NVIDIA DPUs, in the numbered steps of CHECKS. Pure.

Upstream makes 1, the signatures and the DeviceID's dates of 3, 4 and 5 (over the report data
without its padding, which no attester signs). It looks at no names, rights, path lengths, critical
extensions or revocation lists, and takes a firmware list it cannot read for an empty one.
"""

from datetime import timedelta
from typing import Final

from casemate.crypto import vendor_chain
from casemate.crypto.algorithms import Kind
from casemate.crypto.certificate import Certificate
from casemate.crypto.keys import PublicKey
from casemate.errors import InputError, VerificationError
from casemate.tee.evidence import Expectation, Inputs, VerifiedEvidence, fitted
from casemate.tee.nvidia_dpu import roots, tcb_info
from casemate.tee.nvidia_dpu.claims import bound, claims_of
from casemate.tee.nvidia_dpu.options import NvidiaDpuOptions
from casemate.tee.nvidia_dpu.report import (
    DEVICE_CLASS,
    RAW_SIGNATURE,
    SIGNED_SIZE,
    TEE,
    DpuDevice,
    read,
)
from casemate.tee.trail import Check, Step, Topic, Trail, table

_T = Topic
CHECKS: Final = table(
    Check(1, "shape", _T.SHAPE, "version 1, one device of a known architecture", "tee §14"),
    Check(2, "certificates", _T.SHAPE, "both read; their keys are P-384", "tee §14"),
    Check(
        3,
        "chain",
        _T.CHAIN,
        "alias by DeviceID by the operator's root: names, rights, dates, signatures, lists",
        "tee §14: root_ca_cert_path",
    ),
    Check(
        4,
        "alias age",
        _T.FRESHNESS,
        "the alias certificate began at most max_cert_age_secs ago",
        "tee §14",
    ),
    Check(
        5,
        "report data",
        _T.FRESHNESS,
        "signed by the alias key: padded to 64 bytes, else plain",
        "tee §14",
    ),
    Check(
        6, "init data", _T.INIT_DATA, "none was presented: a DPU binds none", "tee §1.2", ours=True
    ),
    Check(
        7,
        "firmware",
        _T.MEASUREMENTS,
        "the lists of firmware ids, where there are any, are whole",
        "TCG DICE Attestation Architecture §6.1",
        ours=True,
    ),
)


def verify(
    raw: bytes, expected: Expectation, inputs: Inputs, trail: Trail
) -> tuple[VerifiedEvidence, ...]:
    """Verify DPU evidence (JSON) in the steps of CHECKS.

    Raises:
        VerificationError: with the number of the step, ``nvidia-dpu.3 chain`` for instance.
        InputError: an option cannot be meant.
    """
    options = inputs.options.of(TEE, NvidiaDpuOptions)
    with trail.step(1) as step:
        device = read(raw)
        step.detail = device.architecture
    with trail.step(2) as step:
        alias = Certificate.parse(device.alias_cert)
        device_id = Certificate.parse(device.device_id_cert)
        key = _require_key(step, "alias", alias)
        _require_key(step, "DeviceID", device_id)
    with trail.step(3) as step:
        chain = vendor_chain.verify(
            roots.path(alias, device_id, inputs),
            pins=roots.pins(inputs),
            at=inputs.now,
            lists=inputs.collateral.lists + inputs.anchors.material.lists,
            understood=frozenset({tcb_info.OID}),
        )
        _require_key(step, "root", chain.root)
        step.detail = " < ".join(one.common_name for one in chain.path)
    with trail.step(4) as step:
        age = inputs.now - alias.not_before
        step.detail = f"{age.total_seconds():.0f} s"
        step.require(
            timedelta() <= age <= timedelta(seconds=options.max_cert_age_secs),
            "age of the alias certificate",
            step.detail,
            f"at most {options.max_cert_age_secs} s",
            remedy="restart the device, or allow more by nvidia-dpu.max_cert_age_secs",
        )
    _verify_report_data(trail, device, key, expected.report_data)
    with trail.step(6) as step:
        step.require(expected.init_data is None, "init data", expected.init_data, "none")
    with trail.step(7) as step:
        device_layers, alias_layers = tcb_info.layers(device_id), tcb_info.layers(alias)
        step.detail = f"{len(device_layers)} layers of the device, {len(alias_layers)} of the alias"
    claims = claims_of(device_id, alias, device_layers, alias_layers, device.architecture)
    report_data = expected.report_data
    return (
        VerifiedEvidence(
            tee=TEE,
            tee_class=DEVICE_CLASS,
            claims=claims if report_data is None else claims | bound(report_data),
            report_data=report_data or b"",
            init_data=None,
            chain=(
                *(one.common_name for one in chain.path),
                f"root sha256:{chain.root.fingerprint.hex()}",
            ),
        ),
    )


def _require_key(step: Step, what: str, certificate: Certificate) -> PublicKey:
    try:
        key = PublicKey.from_der(certificate.spki)
    except InputError as error:
        raise step.refusal(
            claim=f"key of the {what} certificate", got=error.got, expected="P-384"
        ) from error
    step.require(key.kind is Kind.P384, f"key of the {what} certificate", key.kind, "P-384")
    step.require(
        certificate.serial >= 0, f"serial number of the {what}", certificate.serial, "0 or more"
    )
    return key


def _verify_report_data(
    trail: Trail, device: DpuDevice, key: PublicKey, report_data: bytes | None
) -> None:
    if report_data is None:
        trail.skip(5, "no report data was expected")
        return
    with trail.step(5) as step:
        signature = device.report_data_signature
        forms = {"plain": report_data}
        if len(report_data) <= SIGNED_SIZE:  # a longer one cut would be bound in part alone
            forms = {"padded to 64 bytes": fitted(report_data, SIGNED_SIZE), **forms}
        held = [name for name, message in forms.items() if _signed(key, signature, message)]
        step.require(
            bool(held),
            "report_data_signature",
            f"{len(signature)} bytes that do not verify",
            f"a signature by the alias key over {report_data.hex()}",
            remedy="evidence serves only the session whose nonce and key it was made for",
        )
        step.detail = held[0]


def _signed(key: PublicKey, signature: bytes, message: bytes) -> bool:
    """Say whether the signature holds, as DER or as ``r || s``."""
    try:
        key.verify_der(signature, message, "sha384")
    except VerificationError:
        pass
    else:
        return True
    if len(signature) != RAW_SIGNATURE:
        return False
    try:
        key.verify(signature, message, "ES384")
    except VerificationError:
        return False
    return True
