"""Handshakes beside their bare cryptography; the same as ``casemate bench handshake --json``."""

import asyncio
import sys
from typing import Any

import msgspec

from casemate.stack.bench import handshake


def run(*, handshakes: int = 2000, clients: int = 8) -> dict[str, Any]:
    """Measure; gives the members of BenchResult."""
    result = asyncio.run(
        handshake.run(
            lambda text: print(text, file=sys.stderr), handshakes=handshakes, clients=clients
        )
    )
    return dict(msgspec.to_builtins(result))


if __name__ == "__main__":
    print(msgspec.json.encode(run()).decode())
