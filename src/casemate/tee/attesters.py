"""Tables of attesters, in order of detection. Loaded in the guest, so it imports little.

An attester's module is loaded when its TEE is found, and no other's. Modules are named by strings:
the image's closure follows them (podvm/guest_code), imports do not.
"""

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from casemate.crypto.digest import Digest
from casemate.errors import HostError, PeerError
from casemate.tee.detection import Probes, Why
from casemate.tee.machine import Machine


class DeviceAttester(Protocol):
    """A device that attests beside the primary TEE. Calls block while it answers."""

    @property
    def tee(self) -> str:
        """Name on the wire, such as ``nvidia``."""
        ...

    def evidence(self, report_data: bytes) -> bytes:
        """Give evidence bound to ``report_data``, as JSON.

        Raises:
            HostError: the device is gone or refuses.
        """
        ...


class Attester(DeviceAttester, Protocol):
    """The TEE this guest runs in."""

    @property
    def has_registers(self) -> bool:
        """Whether ``extend`` can work here; ``tee/runtime`` says which registers."""
        ...

    def bind_init_data(self, digest: Digest) -> None:
        """Bind the pod's initdata, once, before any network is used."""
        ...

    def extend(self, register: int, digest: bytes, event: bytes = b"") -> None:
        """Extend a runtime measurement register; ``event`` goes into the evidence's log."""
        ...


class Row(NamedTuple):
    """A TEE that may be found."""

    tee: str
    probe: Callable[[Probes], Why]
    module: str
    """Its attester's; not loaded unless the TEE is picked."""
    opener: str = "open_attester"


PRIMARY: Final = (
    Row("tdx", Probes.tdx, "casemate.tee.tdx.attester"),
    Row("sgx", Probes.sgx, "casemate.tee.sgx.attester"),
    Row("az-tdx-vtpm", Probes.az_tdx_vtpm, "casemate.tee.azure.opening", "open_tdx"),
    Row("az-snp-vtpm", Probes.az_snp_vtpm, "casemate.tee.azure.opening", "open_snp"),
    Row("snp", Probes.snp, "casemate.tee.snp.attester"),
    Row("csv", Probes.csv, "casemate.tee.csv.attester"),
    Row("cca", Probes.cca, "casemate.tee.cca.attester"),
    Row("se", Probes.se, "casemate.tee.se.attester"),
    Row("tpm", Probes.tpm, "casemate.tee.vtpm.attester"),
    Row("sample", Probes.sample, "casemate.tee.sample.attester"),
)
"""Where the guest runs; the first that is here is picked (tee §1.1)."""

DEVICES: Final = (
    Row("nvidia", Probes.nvidia, "casemate.tee.nvidia.attester"),
    Row("sampledevice", Probes.sampledevice, "casemate.tee.sampledevice.attester"),
    Row("hygondcu", Probes.hygondcu, "casemate.tee.hygondcu.attester"),
    Row("nvidia-dpu", Probes.nvidia_dpu, "casemate.tee.nvidia_dpu.attester"),
    Row("tpm", Probes.tpm, "casemate.tee.vtpm.attester"),
)
"""What may attest beside it; every one that is here does."""

SLOW: Final = frozenset({"az-snp-vtpm", "az-tdx-vtpm"})
"""TEEs whose evidence takes seconds: made on a thread of its own where others are served."""

OWN_REGISTERS: Final = frozenset({"tdx", "az-tdx-vtpm", "az-snp-vtpm", "tpm"})
"""Primary TEEs beside which a TPM is no device: they are one, or have registers of their own."""


_SAMPLE: Final = "sample"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one row."""

    tee: str
    kind: str
    """``primary`` or ``device``."""
    picked: bool
    why: str
    """Why it was picked, or why not."""


class Detected(NamedTuple):
    """The TEE this machine runs in, and those that were looked for in vain before it."""

    attester: Attester
    passed_over: tuple[Finding, ...]

    def told(self) -> str:
        """Say what was picked and why each TEE before it was not, in one line for a console."""
        tee = self.attester.tee
        picked = f"{tee}, which proves nothing" if tee == _SAMPLE else tee
        whys = "; ".join(f"{one.tee}: {one.why}" for one in self.passed_over)
        line = f"picked {picked}. {whys}" if whys else f"picked {picked}"
        return " ".join(line.split())


def detect(environ: Mapping[str, str] | None = None, *, root: Path = Path("/")) -> Attester:
    """Give the attester of the TEE this machine runs in; see ``detect_and_tell``.

    Raises:
        InputError: a variable cannot be meant.
    """
    return detect_and_tell(environ, root=root).attester


def detect_and_tell(
    environ: Mapping[str, str] | None = None, *, root: Path = Path("/")
) -> Detected:
    """Pick the first primary TEE that is here, at last sample; keep why none before it was.

    Args:
        environ: the process environment unless given. ``AA_TPM_DEVICE`` and ``AA_TPM_AK_HANDLE``
            (upstream's names) choose the TPM and its key, ``AAEL_PATH`` names the agent's log.
        root: where ``/dev`` and ``/sys`` lie.

    Raises:
        InputError: a variable cannot be meant.
    """
    *before, (_, attester, _) = _primary(Probes(Machine.this(environ, root=root)))
    return Detected(attester, tuple(_finding(row, "primary", None, why) for row, _, why in before))


def detect_devices(
    primary: str, environ: Mapping[str, str] | None = None, *, root: Path = Path("/")
) -> tuple[DeviceAttester, ...]:
    """Give the attesters of all devices beside the TEE called ``primary``, in the table's order.

    ``ENABLE_SAMPLE_DEVICE`` turns the sample device on; see ``detect_and_tell`` for the rest.

    Raises:
        InputError: a variable cannot be meant.
    """
    probes = Probes(Machine.this(environ, root=root))
    return tuple(found for _, found, _ in _devices(probes, primary) if found is not None)


def explain(
    environ: Mapping[str, str] | None = None, *, root: Path = Path("/")
) -> tuple[Finding, ...]:
    """Say of every TEE and device whether it would be picked on this machine, and why.

    Raises:
        InputError: a variable cannot be meant.
    """
    probes = Probes(Machine.this(environ, root=root))
    findings: list[Finding] = []
    primary = ""
    for row, found, why in _primary(probes):
        findings.append(_finding(row, "primary", found, why))
        primary = primary or ("" if found is None else row.tee)
    later = PRIMARY[len(findings) :]
    return (
        *findings,
        *(_finding(row, "primary", None, f"{primary} comes first") for row in later),
        *(_finding(row, "device", found, why) for row, found, why in _devices(probes, primary)),
    )


_Looked = tuple[Row, Any, Why]
"""A row, its attester if it is here, else why not."""


def _primary(probes: Probes) -> Iterator[_Looked]:
    """Look at primary TEEs up to the first that is here."""
    for row in PRIMARY:
        looked = _open(row, probes)
        yield looked
        if looked[1] is not None:
            return


def _devices(probes: Probes, primary: str) -> Iterator[_Looked]:
    for row in DEVICES:
        if row.tee == "tpm" and primary in OWN_REGISTERS:
            yield row, None, f"beside {primary} a TPM is no device"
        else:
            yield _open(row, probes)


def _open(row: Row, probes: Probes) -> _Looked:
    why = row.probe(probes)
    if why is not None:
        return row, None, why
    try:
        return row, getattr(import_module(row.module), row.opener)(probes.machine), None
    except (HostError, PeerError) as error:  # a device that is none, or answers nonsense
        return row, None, str(error)


def _finding(row: Row, kind: str, found: object, why: Why) -> Finding:
    reason = why or ("no other was found; it proves nothing" if row.tee == _SAMPLE else "found")
    return Finding(tee=row.tee, kind=kind, picked=found is not None, why=reason)
