"""Image pull beside skopeo and umoci; the same as ``casemate bench pull --json``."""

import asyncio
import sys
from typing import Any

import msgspec

from casemate.stack.bench import pull


def run(*, megabytes: int = 96, rounds: int = 3) -> dict[str, Any]:
    """Measure; gives the members of BenchResult."""
    result = asyncio.run(
        pull.run(lambda text: print(text, file=sys.stderr), megabytes=megabytes, rounds=rounds)
    )
    return dict(msgspec.to_builtins(result))


if __name__ == "__main__":
    print(msgspec.json.encode(run()).decode())
