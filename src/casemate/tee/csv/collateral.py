"""What to fetch for CSV evidence: Hygon's root, and HSK and CEK when the guest sent none."""

from casemate.crypto.vendor_chain import ChainMemory
from casemate.tee.csv.options import CsvOptions
from casemate.tee.csv.report import TEE, parse
from casemate.tee.csv.verifier import CHECKS
from casemate.tee.evidence import Inputs
from casemate.tee.hygon.chain import choose, pek_signed_by
from casemate.tee.hygon.collateral import want_chip, want_root
from casemate.tee.trail import Trail
from casemate.tee.want import Want


def plan(raw: bytes, inputs: Inputs) -> tuple[Want, ...]:
    """Say what is missing.

    Raises:
        VerificationError: evidence that cannot be read.
        InputError: an option that cannot be meant.
    """
    options = inputs.options.of(TEE, CsvOptions)
    memory = inputs.memory or ChainMemory()
    with Trail(TEE, CHECKS).step(1):
        evidence = parse(raw)
    wanted = want_root(inputs, options.url)
    serial = evidence.serial_number
    if evidence.hsk_cek is None and not choose(
        inputs, serial, lambda cek: pek_signed_by(evidence.pek, cek, memory)
    ):
        wanted += want_chip(inputs, options.url, serial, f"hsk_cek/{serial}/hsk_cek.cert")
    return wanted
