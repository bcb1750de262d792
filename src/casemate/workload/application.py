"""The demo application: an image made on the spot of one static binary and a small script.

Two layers: the base (the binary, plain) and the application (the script, the part worth hiding).
When run, it asks the data hub for a secret and proves that it came without showing it.
"""

from pathlib import Path
from typing import Final

from casemate.errors import HostError
from casemate.oci.layout import Layout
from casemate.oci.manifest import (
    OCI_CONFIG,
    OCI_MANIFEST,
    Descriptor,
    ImageConfig,
    Manifest,
    Process,
    RootFs,
    encode,
)
from casemate.workload.layers import GZIP, File, PackedLayer, pack

BUSYBOX: Final = Path("/bin/busybox")
GREETING: Final = "default/demo/greeting"
"""Where the demo's secret lies in the key broker."""
RESOURCE_URL: Final = f"http://127.0.0.1:8006/cdh/resource/{GREETING}"
ARRIVED: Final = "secret arrived: sha256 "
"""The line of output that proves it starts so; the hex of the secret's SHA-256 follows."""
APPLICATION_LAYER: Final = 1
"""Index of the layer that is worth encrypting."""

_APPLETS: Final = (
    "sh",
    "wget",
    "timeout",
    "sha256sum",
    "cut",
    "sleep",
    "cat",
    "ls",
    "env",
    "id",
    "echo",
)
_SCRIPT: Final = f"""\
#!/bin/sh
# Asks the data hub for the secret and tells its SHA-256: proof, and nothing to steal from a log.
set -o pipefail
trap 'exit 0' TERM INT
url=${{RESOURCE_URL:-{RESOURCE_URL}}}
echo "demo application: asking for $url"
for try in 1 2 3; do
  digest=$(timeout 60 wget -q -O - "$url" | sha256sum | cut -d ' ' -f 1) && break
  digest=
  sleep 1
done
if [ -z "$digest" ]; then
  echo "secret did not arrive"
  exit 1
fi
echo "{ARRIVED}$digest"
[ -n "$ONCE" ] && exit 0
echo "serving"
while :; do sleep 3600 & wait $!; done
"""


def build(layout: Layout, *, name: str = "demo", busybox: Path = BUSYBOX) -> Descriptor:
    """Write the image into ``layout`` under ``name``; gives its manifest's descriptor.

    Raises:
        HostError: the static binary is not there.
    """
    layers = (_base(busybox), _application())
    descriptors = tuple(layout.put(layer.blob, GZIP) for layer in layers)
    config = ImageConfig(
        rootfs=RootFs(tuple(str(layer.diff_id) for layer in layers)),
        config=Process(
            entrypoint=("/app/main",),
            env=("PATH=/app:/bin",),
            working_dir="/app",
            user="65534:65534",
        ),
    )
    manifest = Manifest(
        schema_version=2,
        media_type=OCI_MANIFEST,
        config=layout.put(encode(config), OCI_CONFIG),
        layers=descriptors,
    )
    descriptor = layout.put(encode(manifest), OCI_MANIFEST)
    layout.add(descriptor, name)
    return descriptor


def _base(busybox: Path) -> PackedLayer:
    try:
        binary = busybox.read_bytes()
    except OSError as error:
        raise HostError(
            str(busybox),
            got=error.strerror,
            want="a static binary for the demo image",
            remedy="Install it: apt-get install busybox-static",
        ) from error
    return pack(
        [
            File(path="bin"),
            File(path="bin/busybox", content=binary),
            *(File(path=f"bin/{name}", target="busybox") for name in _APPLETS),
            File(path="etc"),
            File(path="etc/passwd", content=b"root:x:0:0::/:/bin/sh\n", mode=0o644),
            File(path="etc/group", content=b"root:x:0:\n", mode=0o644),
            *(File(path=path) for path in ("dev", "proc", "sys", "run")),
            File(path="tmp", mode=0o1777),
        ]
    )


def _application() -> PackedLayer:
    return pack([File(path="app"), File(path="app/main", content=_SCRIPT.encode())])
