"""Evidence verified, beside the signature checks that nobody can leave out, in the same process.

Evidence comes from each TEE's simulator: real signatures under a test root. ``cold`` begins with
bytes and remembers nothing; ``cached`` has seen the vendor's chain and collateral before, as a
Trustee has after its first guest. The floor is the bare signatures of each, one after the other.
"""

import asyncio
import math
import struct
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
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
_PASSES: Final = 3
"""The quickest batch of all passes counts: a busy machine only adds, and one that is slow for a
second or two is not so in each pass."""

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
    tasks = dict(_tasks(progress))
    least = dict.fromkeys(tasks, math.inf)
    for number in range(1, _PASSES + 1):
        progress(f"pass {number} of {_PASSES}")
        for name, act in tasks.items():
            least[name] = min(least[name], _milliseconds(act, rounds))
    details: dict[str, float] = {}
    for tee, signatures in SIGNATURES.items():
        for how, names in zip(("cold", "cached"), signatures, strict=True):
            ours, floor = least[f"{tee}_{how}"], sum(least[name] for name in names)
            details |= {
                f"{tee}_{how}_ms": ours,
                f"{tee}_{how}_floor_ms": floor,
                f"{tee}_{how}_ratio": ours / floor,
            }
    details["event_log_100_ms"] = least["event_log_100"]
    ours = sum(details[f"{tee}_cold_ms"] for tee in SIGNATURES)
    floor = sum(details[f"{tee}_cold_floor_ms"] for tee in SIGNATURES)
    return BenchResult(
        name="verify",
        unit=f"ms, one verification of each of {len(SIGNATURES)} TEEs",
        ours=ours,
        floor=floor,
        floor_name="their bare signatures",
        ratio=ours / floor,
        details={name: round(value, 4) for name, value in details.items()},
    )


def _tasks(progress: Progress) -> Iterator[tuple[str, Callable[[], object]]]:
    """Give what is measured, by name: bare signatures, each TEE in two ways, an event log."""
    yield from _bare()
    now = datetime.now(UTC).replace(microsecond=0)
    for tee in SIGNATURES:
        progress(f"evidence of {tee}")
        made = SIMULATORS[tee].make(_AS_SHIPPED.get(tee, {}), now)
        yield f"{tee}_cold", _verification(made, None)
        yield f"{tee}_cached", _verification(made, ChainMemory())
    yield "event_log_100", _event_log()


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


def _bare() -> Iterator[tuple[str, Callable[[], object]]]:
    message = bytes(1024)
    keys = {
        _PS384: PrivateKey.generate(Kind.RSA, bits=4096),
        _RS256: PrivateKey.generate(Kind.RSA, bits=2048),
        _ES384: PrivateKey.generate(Kind.P384),
        _ES256: PrivateKey.generate(Kind.P256),
    }
    for algorithm, key in keys.items():
        yield (
            algorithm,
            partial(key.public.verify, key.sign(message, algorithm), message, algorithm),
        )


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
