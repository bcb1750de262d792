"""Where real evidence, images and transcripts lie; tests read them in place or skip."""

import os
from pathlib import Path

import pytest

_BESIDE = Path(__file__).resolve().parents[2] / "shared" / "vectors"


def vector(*parts: str) -> Path:
    """Give the path of a vector, or skip the calling test with the reason."""
    root = Path(os.environ.get("CASEMATE_VECTORS", _BESIDE))
    path = root.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"no vector {'/'.join(parts)}: set CASEMATE_VECTORS to the vectors folder")
    return path
