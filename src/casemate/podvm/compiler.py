"""Compile Python files to byte code; run by the image's own Python, so it imports none of ours.

Standard input: JSON list of [source file, name in tracebacks, optimisation level, output file].
Output: ``.pyc`` with an unchecked hash (PEP 552): nothing of the source's time or place.
"""

import importlib.util
import json
import marshal
import sys
from pathlib import Path


def compile_all() -> int:
    """Compile every file named on standard input; give the exit status."""
    for source, name, optimize, output in json.load(sys.stdin):
        text = Path(source).read_bytes()
        code = compile(text, name, "exec", dont_inherit=True, optimize=optimize)
        flags = (1).to_bytes(4, "little")  # hash-based, not checked against a source
        digest = importlib.util.source_hash(text)
        Path(output).write_bytes(importlib.util.MAGIC_NUMBER + flags + digest + marshal.dumps(code))
    return 0


if __name__ == "__main__":
    sys.exit(compile_all())
