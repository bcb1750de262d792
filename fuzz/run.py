"""Fuzz one parser, or all of them: ``python -m fuzz.run [TARGET ...] [--seconds N]``.

Coverage-guided (atheris). Inputs that reached something new are kept in fuzz/corpus/TARGET and
replayed by an ordinary test; an input that raises anything but our errors ends the run with 1 and
lies in build/fuzz/.
"""

import argparse
import hashlib
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
CORPUS: Final = ROOT / "fuzz/corpus"
FINDINGS: Final = ROOT / "build/fuzz"
_LARGEST: Final = 64 << 10
_LARGEST_KEPT: Final = 4 << 10
_MOST_KEPT: Final = 24
_SPARE: Final = 90  # seconds beyond the fuzzing time before a run is ended
_AT_ONCE: Final = 2


def main() -> int:
    """Fuzz what was asked for, two at a time; give 1 when something was found."""
    from fuzz.targets import PARSERS

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", nargs="*", help="all of them unless given")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--keep", action="store_true", help="keep what reached something new")
    given = parser.parse_args()
    unknown = sorted(set(given.target) - set(PARSERS))
    if unknown:
        parser.error(f"no target {unknown[0]}; there are: {', '.join(PARSERS)}")
    names = given.target or list(PARSERS)
    with ThreadPoolExecutor(_AT_ONCE) as workers:
        outcomes = list(workers.map(lambda n: _fuzz(n, given.seconds, keep=given.keep), names))
    bad = [name for name, good in zip(names, outcomes, strict=True) if not good]
    print(f"{len(names) - len(bad)} targets held, {len(bad)} did not: {', '.join(bad) or 'none'}")
    return int(bool(bad))


def _fuzz(name: str, seconds: int, *, keep: bool) -> bool:
    FINDINGS.mkdir(parents=True, exist_ok=True)
    kept = CORPUS / name
    known = [kept] if kept.is_dir() else []
    with tempfile.TemporaryDirectory(prefix=f"fuzz-{name}-") as place:
        grown = Path(place)
        limits = [f"-max_total_time={seconds}", f"-max_len={_LARGEST}", "-timeout=10"]
        done = _one(name, [grown, *known], limits, seconds)
        if keep and done.returncode == 0:
            _keep(grown, kept)
    told = done.stdout.decode(errors="replace")
    held = done.returncode == 0
    last = "".join(told.strip().splitlines()[-1:])
    print(f"{name}: {'held' if held else 'DID NOT HOLD'} ({last})", flush=True)
    if not held:
        print(told[-8000:], flush=True)
    return held


def _keep(grown: Path, kept: Path) -> None:
    """Keep the smallest of what reached something new, each under the digest of its content."""
    found = sorted(
        (file for file in grown.iterdir() if not file.name.startswith("seed-")),
        key=lambda file: file.stat().st_size,
    )
    kept.mkdir(parents=True, exist_ok=True)
    for file in found[:_MOST_KEPT]:
        body = file.read_bytes()
        if len(body) <= _LARGEST_KEPT:
            (kept / hashlib.sha256(body).hexdigest()[:16]).write_bytes(body)


def _one(
    name: str, corpora: list[Path], options: list[str], seconds: int
) -> "subprocess.CompletedProcess[bytes]":
    limits = ["-rss_limit_mb=1024", f"-artifact_prefix={FINDINGS}/{name}-"]
    return subprocess.run(
        [sys.executable, "-m", "fuzz.one", name, *map(str, corpora), *options, *limits],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,  # the exception itself goes to the one, the rest to the other
        cwd=ROOT,
        timeout=seconds + _SPARE,
        check=False,
    )


if __name__ == "__main__":
    sys.exit(main())
