"""One target in one process: ``python -m fuzz.one TARGET CORPUS ... [libFuzzer options]``."""

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["casemate", "fuzz"]):
    from fuzz.targets import run, seeds


def main() -> None:
    """Write seeds into the first corpus, then hand over to the fuzzer."""
    name, *rest = sys.argv[1:]
    folder = Path(next(word for word in rest if not word.startswith("-")))
    for number, seed in enumerate(seeds(name)):
        (folder / f"seed-{number}").write_bytes(seed)
    atheris.Setup([sys.argv[0], *rest], lambda data: run(name, data))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
