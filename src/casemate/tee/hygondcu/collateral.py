"""What to fetch for DCU evidence: Hygon's root, and HSK with CEK of each chip."""

from casemate.crypto.vendor_chain import ChainMemory
from casemate.tee.evidence import Inputs
from casemate.tee.hygon.chain import choose, owner, signed
from casemate.tee.hygon.collateral import want_chip, want_root
from casemate.tee.hygondcu.options import DcuOptions
from casemate.tee.hygondcu.report import TEE, Report, parse
from casemate.tee.hygondcu.verifier import CHECKS
from casemate.tee.trail import Trail
from casemate.tee.want import Want


def plan(raw: bytes, inputs: Inputs) -> tuple[Want, ...]:
    """Say what is missing.

    Raises:
        VerificationError: evidence that cannot be read.
        InputError: an option that cannot be meant.
    """
    options = inputs.options.of(TEE, DcuOptions)
    memory = inputs.memory or ChainMemory()
    with Trail(TEE, CHECKS).step(1):
        reports = parse(raw)
    wanted = want_root(inputs, options.url)
    for report in reports:
        if not _is_there(report, inputs, memory):
            name = f"{report.chip}_hsk_cek.cert"
            wanted += want_chip(inputs, options.url, report.chip, name)
    return wanted


def _is_there(report: Report, inputs: Inputs, memory: ChainMemory) -> bool:
    return bool(
        choose(
            inputs,
            report.chip,
            lambda cek: signed(owner(cek), report.signature, report.signed, memory),
        )
    )
