"""Table of verifiers by TEE name. Adding a TEE is a package and a line here and in attesters."""

from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final, NamedTuple

import msgspec

from casemate.crypto.digest import Algorithm
from casemate.tee.az_snp_vtpm import claims as az_snp_claims
from casemate.tee.az_snp_vtpm import verifier as az_snp_vtpm
from casemate.tee.az_snp_vtpm.collateral import plan as az_snp_plan
from casemate.tee.az_snp_vtpm.options import AzSnpOptions
from casemate.tee.az_tdx_vtpm import claims as az_tdx_claims
from casemate.tee.az_tdx_vtpm import verifier as az_tdx_vtpm
from casemate.tee.az_tdx_vtpm.collateral import plan as az_tdx_plan
from casemate.tee.az_tdx_vtpm.options import AzTdxOptions
from casemate.tee.cca import claims as cca_claims
from casemate.tee.cca import veraison as cca_veraison
from casemate.tee.cca import verifier as cca
from casemate.tee.cca.options import CcaOptions
from casemate.tee.conversation import Conversation, Converse
from casemate.tee.csv import claims as csv_claims
from casemate.tee.csv import collateral as csv_collateral
from casemate.tee.csv import verifier as csv
from casemate.tee.csv.options import CsvOptions
from casemate.tee.evidence import Expectation, Inputs, VerifiedEvidence, refusal
from casemate.tee.hygondcu import claims as dcu_claims
from casemate.tee.hygondcu import collateral as dcu_collateral
from casemate.tee.hygondcu import verifier as hygondcu
from casemate.tee.hygondcu.options import DcuOptions
from casemate.tee.nvidia import claims as nvidia_claims
from casemate.tee.nvidia import collateral as nvidia_collateral
from casemate.tee.nvidia import verifier as nvidia
from casemate.tee.nvidia.options import NvidiaOptions
from casemate.tee.nvidia_dpu import claims as nvidia_dpu_claims
from casemate.tee.nvidia_dpu import verifier as nvidia_dpu
from casemate.tee.nvidia_dpu.options import NvidiaDpuOptions
from casemate.tee.options import NoOptions
from casemate.tee.sample import verifier as sample
from casemate.tee.sampledevice import verifier as sampledevice
from casemate.tee.se import challenge as se_challenge
from casemate.tee.se import claims as se_claims
from casemate.tee.se import verifier as se
from casemate.tee.se.options import SeOptions
from casemate.tee.sgx import claims as sgx_claims
from casemate.tee.sgx import collateral as sgx_collateral
from casemate.tee.sgx import verifier as sgx
from casemate.tee.sgx.options import SgxOptions
from casemate.tee.snp import claims as snp_claims
from casemate.tee.snp import verifier as snp
from casemate.tee.snp.collateral import plan as snp_plan
from casemate.tee.snp.options import SnpOptions
from casemate.tee.tdx import collateral as tdx_collateral
from casemate.tee.tdx import provenance as tdx_provenance
from casemate.tee.tdx import verifier as tdx
from casemate.tee.tdx.options import TdxOptions
from casemate.tee.trail import Check, Trail
from casemate.tee.vtpm import provenance
from casemate.tee.vtpm import verifier as vtpm
from casemate.tee.vtpm.options import TpmOptions
from casemate.tee.want import Plan, Want

Verify = Callable[[bytes, Expectation, Inputs, Trail], tuple[VerifiedEvidence, ...]]
"""Evidence (JSON of the wire, or the TEE's own binary form) → what it proves, one or several."""

MakeChallenge = Callable[[str, datetime, Inputs, Callable[[int], bytes]], str]
"""Name and end of a session, inputs, source of random bytes → the challenge's text."""


def _nowhere(_claim: str) -> str:
    return ""


def _nothing(_evidence: bytes, _inputs: Inputs) -> tuple[Want, ...]:
    return ()


def _nobody(_evidence: bytes, _inputs: Inputs) -> Conversation | None:
    return None


class Verifier(NamedTuple):
    """A row: how evidence of a TEE is verified."""

    verify: Verify
    checks: tuple[Check, ...]
    options: type[msgspec.Struct] = NoOptions
    source: Callable[[str], str] = _nowhere
    """Names the field of the evidence that a claim (dotted) was read from; empty if none."""
    plan: Plan = _nothing
    """What to fetch of the vendor before verifying."""
    challenge: MakeChallenge | None = None
    """Makes the challenge that this TEE's evidence answers; None where a random nonce will do."""
    report_data: Algorithm = Algorithm.SHA384
    """How report data is hashed in a handshake (§1.2)."""
    converse: Converse = _nobody
    """Whom to ask for a verdict before verifying, where options name such a service."""


VERIFIERS: Final = MappingProxyType[str, Verifier](
    {
        "az-snp-vtpm": Verifier(
            az_snp_vtpm.verify,
            az_snp_vtpm.CHECKS,
            AzSnpOptions,
            az_snp_claims.evidence_field,
            az_snp_plan,
        ),
        "az-tdx-vtpm": Verifier(
            az_tdx_vtpm.verify,
            az_tdx_vtpm.CHECKS,
            AzTdxOptions,
            az_tdx_claims.evidence_field,
            az_tdx_plan,
        ),
        "cca": Verifier(
            cca.verify,
            cca.CHECKS,
            CcaOptions,
            cca_claims.evidence_field,
            converse=cca_veraison.converse,
        ),
        "csv": Verifier(
            csv.verify, csv.CHECKS, CsvOptions, csv_claims.evidence_field, csv_collateral.plan
        ),
        "hygondcu": Verifier(
            hygondcu.verify,
            hygondcu.CHECKS,
            DcuOptions,
            dcu_claims.evidence_field,
            dcu_collateral.plan,
        ),
        "nvidia": Verifier(
            nvidia.verify,
            nvidia.CHECKS,
            NvidiaOptions,
            source=nvidia_claims.evidence_field,
            plan=nvidia_collateral.plan,
        ),
        "nvidia-dpu": Verifier(
            nvidia_dpu.verify,
            nvidia_dpu.CHECKS,
            NvidiaDpuOptions,
            nvidia_dpu_claims.evidence_field,
        ),
        "sample": Verifier(sample.verify, sample.CHECKS),
        "sampledevice": Verifier(sampledevice.verify, sampledevice.CHECKS),
        "se": Verifier(
            se.verify,
            se.CHECKS,
            SeOptions,
            se_claims.evidence_field,
            challenge=se_challenge.challenge,
            report_data=Algorithm.SHA512,
        ),
        "sgx": Verifier(
            sgx.verify, sgx.CHECKS, SgxOptions, sgx_claims.evidence_field, sgx_collateral.plan
        ),
        "snp": Verifier(snp.verify, snp.CHECKS, SnpOptions, snp_claims.evidence_field, snp_plan),
        "tdx": Verifier(
            tdx.verify, tdx.CHECKS, TdxOptions, tdx_provenance.evidence_field, tdx_collateral.plan
        ),
        "tpm": Verifier(vtpm.verify, vtpm.CHECKS, TpmOptions, provenance.evidence_field),
    }
)

OLD_NAMES: Final = MappingProxyType({"azsnpvtpm": "az-snp-vtpm", "aztdxvtpm": "az-tdx-vtpm"})
"""As releases up to Trustee 1.0 wrote them (tee §1.1)."""


def verify(
    tee: str,
    evidence: bytes,
    expected: Expectation,
    inputs: Inputs,
    trail: Trail | None = None,
    *,
    table: Mapping[str, Verifier] = VERIFIERS,
) -> tuple[VerifiedEvidence, ...]:
    """Verify evidence of the TEE called ``tee``. Pure: no clock, no network, no files.

    Which of the table's TEEs may be used at all is the caller's configuration. ``trail``, from
    ``trail_of``, is for callers who want the steps, those before a refusal too; ``table`` for those
    who have plug-ins.

    Returns:
        What was proved; several where evidence speaks of several devices, at least one.

    Raises:
        VerificationError: any proof failed; its step is ``<tee>.<number> <name>``.
        InputError: an anchor, an option or the expected initdata cannot be meant.
    """
    name = canonical(tee, table)
    own = trail or trail_of(name, table)
    found = table[name].verify(evidence, expected, inputs, own)
    own.require_complete()
    if not found:
        raise refusal("tee", claim=name, got="no claims", expected="at least one", rule="verifier")
    return found


def challenge_maker(tee: str, table: Mapping[str, Verifier] = VERIFIERS) -> MakeChallenge | None:
    """Give what makes challenges for a TEE; None if a random nonce will do, or nobody knows it."""
    row = table.get(OLD_NAMES.get(tee, tee))
    return None if row is None else row.challenge


def report_data_algorithm(tee: str, table: Mapping[str, Verifier] = VERIFIERS) -> Algorithm:
    """Say how report data is hashed in a handshake whose primary TEE this is (§1.2)."""
    row = table.get(OLD_NAMES.get(tee, tee))
    return Algorithm.SHA384 if row is None else row.report_data


def trail_of(tee: str, table: Mapping[str, Verifier] = VERIFIERS) -> Trail:
    """Make an empty trail for evidence of ``tee``; VerificationError when nobody knows it."""
    name = canonical(tee, table)
    return Trail(name, table[name].checks)


def canonical(tee: str, table: Mapping[str, Verifier] = VERIFIERS) -> str:
    """Give the name that we write for a TEE.

    Raises:
        VerificationError: nobody knows it.
    """
    name = OLD_NAMES.get(tee, tee)
    if name not in table:
        raise refusal(
            "tee",
            claim="TEE type",
            got=tee,
            expected=", ".join(table),
            rule="table of verifiers",
        )
    return name
