"""Evidence verified, beside the signature checks that nobody can leave out, in the same process.

Evidence comes from each TEE's simulator: real signatures under a test root. ``cold`` begins with
bytes and remembers nothing; ``cached`` has seen the vendor's chain and collateral before, as a
Trustee has after its first guest. The floor is the bare signatures of each, one after the other.
"""

import asyncio
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

from casemate.crypto.keys import Kind, PrivateKey
from casemate.crypto.vendor_chain import ChainMemory
from casemate.stack.bench.result import BenchResult
from casemate.stack.bench.table import Progress
from casemate.tee import verifiers
from casemate.tee.anchors import Anchors
from casemate.tee.evidence import Expectation, Inputs
from casemate.tee.material import Material
from casemate.tee.options import Options, parse
from casemate.tee.simulation import Simulated
from casemate.tee.simulators import SIMULATORS

_ROUNDS: Final = 60
_BATCHES: Final = 5
"""The quickest batch counts: a busy machine only ever adds."""

_PS384, _ES384, _ES256, _RS256 = "PS384", "ES384", "ES256", "RS256"

SIGNATURES: Final = MappingProxyType[str, tuple[tuple[str, ...], tuple[str, ...]]](
    {
        # root by itself, intermediate, leaf; then the report
        "snp": ((_PS384, _PS384, _PS384, _ES384), (_ES384,)),
        # PCK chain and both collateral chains, two lists, two documents; QE report and quote
        "tdx": ((_ES256,) * 11, (_ES256,) * 2),
        "sgx": ((_ES256,) * 11, (_ES256,) * 2),
        # the attestation key's quote beside the report's
        "az-snp-vtpm": ((_PS384, _PS384, _PS384, _ES384, _RS256), (_ES384, _RS256)),
        "az-tdx-vtpm": ((*(_ES256,) * 11, _RS256), (*(_ES256,) * 2, _RS256)),
        "cca": ((_ES384,) * 2, (_ES384,) * 2),
        "nvidia": ((_ES384,) * 6, (_ES384,)),
    }
)
"""TEE → the signatures that a verification cannot leave out: cold, and with the chain cached."""


_AS_SHIPPED: Final = MappingProxyType[str, Mapping[str, str]](
    {
        # AMD's authorities have RSA keys, which cost the simulator seconds to make
        "snp": {"authority_keys": "RSA"},
        "az-snp-vtpm": {"snp.authority_keys": "RSA"},
    }
)
"""Fields in which a simulation is quicker to make than the vendor's own, and slower to verify."""


async def run(progress: Progress, *, rounds: int = _ROUNDS) -> BenchResult:
    """Measure every TEE of the table above; ``rounds`` verifications make a batch."""
    return await asyncio.to_thread(_run, progress, rounds)


def _run(progress: Progress, rounds: int) -> BenchResult:
    progress("floor: bare signatures")
    bare = _bare(rounds)
    details: dict[str, float] = {}
    ours = floor = 0.0
    now = datetime.now(UTC).replace(microsecond=0)
    for tee, (cold_signatures, cached_signatures) in SIGNATURES.items():
        progress(tee)
        made = SIMULATORS[tee].make(_AS_SHIPPED.get(tee, {}), now)
        cold = _milliseconds(_verification(made, None), rounds)
        cached = _milliseconds(_verification(made, ChainMemory()), rounds)
        least = sum(bare[name] for name in cold_signatures)
        least_cached = sum(bare[name] for name in cached_signatures)
        details |= {
            f"{tee}_cold_ms": cold,
            f"{tee}_cold_floor_ms": least,
            f"{tee}_cold_ratio": cold / least,
            f"{tee}_cached_ms": cached,
            f"{tee}_cached_floor_ms": least_cached,
            f"{tee}_cached_ratio": cached / least_cached,
        }
        ours, floor = ours + cold, floor + least
    progress("event log of 100 entries")
    details["event_log_100_ms"] = _milliseconds(_event_log(), rounds)
    return BenchResult(
        name="verify",
        unit=f"ms, one verification of each of {len(SIGNATURES)} TEEs",
        ours=ours,
        floor=floor,
        floor_name="their bare signatures",
        ratio=ours / floor,
        details={name: round(value, 4) for name, value in details.items()},
    )


def _verification(made: Simulated, memory: ChainMemory | None) -> Callable[[], object]:
    inputs = Inputs(
        now=made.now,
        anchors=Anchors.of_folder(made.roots),
        collateral=Material.of_files(made.collateral),
        options=Options(own=parse(made.options)),
        memory=memory,
    )
    expected = Expectation(report_data=made.report_data, init_data=made.init_data)
    return lambda: verifiers.verify(made.tee, made.evidence, expected, inputs)


def _event_log() -> Callable[[], object]:
    """Read a log such as a TD's that GRUB booted: most of it commands, the rest variables."""
    from casemate.wire.eventlog import EventLog, LoggedEvent, hash_of, replay
    from casemate.wire.eventlog_json import to_claims
    from casemate.wire.tpm import ALG_SHA384

    name = "SecureBoot".encode("utf-16-le")
    variable = bytes(range(16)) + struct.pack("<QQ", len(name) // 2, 1) + name + b"\1"
    kinds = [(0xD, b"grub_cmd: insmod gzio and some more %d\0" % n) for n in range(70)]
    kinds += [(0x80000001, variable)] * 20
    kinds += [(4, bytes(4)), (0x80000007, b"Calling EFI Application from Boot Option")] * 5
    hashed = hash_of(ALG_SHA384)
    events = tuple(
        LoggedEvent(1 + n % 4, kind, ((ALG_SHA384, hashed(data).digest()),), data)
        for n, (kind, data) in enumerate(kinds)
    )
    raw = EventLog(((ALG_SHA384, 48),), events).encode()

    def read() -> object:
        log = EventLog.parse(raw)
        return replay(log.events, ALG_SHA384), to_claims(log)

    return read


def _bare(rounds: int) -> Mapping[str, float]:
    message = bytes(1024)
    keys = {
        _PS384: PrivateKey.generate(Kind.RSA, bits=4096),
        _RS256: PrivateKey.generate(Kind.RSA, bits=2048),
        _ES384: PrivateKey.generate(Kind.P384),
        _ES256: PrivateKey.generate(Kind.P256),
    }
    found = {}
    for algorithm, key in keys.items():
        signature, public = key.sign(message, algorithm), key.public
        found[algorithm] = _milliseconds(
            lambda s=signature, p=public, a=algorithm: p.verify(s, message, a),  # type: ignore[misc]
            rounds,
        )
    return found


def _milliseconds(act: Callable[[], object], rounds: int) -> float:
    """Give processor milliseconds of one call, from the quickest of some batches."""
    act()
    return min(_batches(act, rounds)) * 1000


def _batches(act: Callable[[], object], rounds: int) -> Sequence[float]:
    found = []
    for _ in range(_BATCHES):
        begin = time.process_time()
        for _ in range(rounds):
            act()
        found.append((time.process_time() - begin) / rounds)
    return found
