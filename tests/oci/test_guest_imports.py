"""What a pull loads in the guest is inside the trust boundary: the list is exact."""

import json
import subprocess
import sys

ALLOWED = {
    "_cffi_backend",
    "_openssl",
    "casemate",
    "cryptography",
    "h11",
    "msgspec",
    "typing_extensions",
}
_CODE = """
import sys
before = set(sys.modules)
import casemate.oci.pull
new = {name.partition('.')[0] for name in set(sys.modules) - before}
import json
print(json.dumps(sorted(new - set(sys.stdlib_module_names))))
"""


def test_pull_loads_nothing_else() -> None:
    done = subprocess.run([sys.executable, "-c", _CODE], capture_output=True, check=True)
    assert set(json.loads(done.stdout)) <= ALLOWED
