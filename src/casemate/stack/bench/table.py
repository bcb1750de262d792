"""The benchmarks by name. Each module has ``async def run(progress) -> BenchResult``."""

from collections.abc import Callable, Coroutine
from importlib import import_module
from typing import Any, Final, TypeAlias, cast

from casemate.stack.bench.result import BenchResult

Progress: TypeAlias = Callable[[str], None]
Run: TypeAlias = Callable[[Progress], Coroutine[Any, Any, BenchResult]]

BENCHMARKS: Final = {
    "handshake": "handshakes with a resource, beside their bare cryptography",
    "pull": "an image pulled, verified, decrypted and unpacked, beside skopeo and umoci",
    "verify": "evidence of each TEE verified, beside its bare signatures",
    "boot": "a pod, beside the same VM with an init that only prints",
}


def load(name: str) -> Run:
    """Give the benchmark of that name (one of ``BENCHMARKS``)."""
    return cast("Run", import_module(f"casemate.stack.bench.{name}").run)
