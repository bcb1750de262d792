"""What a VM is told about its pod: forwarder configuration, initdata, a wish for scratch space.

Nothing else goes in. In particular no key of the platform, of the cloud or of this adaptor: the
cloud reads user data, and so does whoever gets into the guest (row I12).
"""

import base64
import zlib
from collections.abc import Mapping

from casemate.wire import forwarder, userdata
from casemate.wire.forwarder import ForwarderConfig


def files(config: ForwarderConfig, initdata: bytes) -> Mapping[str, bytes]:
    """Give guest path to content; ``initdata`` is TOML, and left out when empty (§8.1, §11)."""
    made = {userdata.APF: forwarder.encode(config), userdata.SCRATCH_SPACE: b""}
    if initdata:
        packer = zlib.compressobj(9, zlib.DEFLATED, 31)
        packed = packer.compress(initdata) + packer.flush()
        made[userdata.INITDATA] = base64.b64encode(packed)
    return made
