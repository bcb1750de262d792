"""How this machine runs VMs, as the adaptor finds it: kvm or tcg."""

import os

from casemate.peerpods.clouds.qemu import acceleration
from casemate.stack.doctor.examine import cache_folder

WISH = "CASEMATE_ADAPTOR_QEMU_ACCEL"
"""Environment variable by which the adaptor can be told."""


async def accelerator() -> str:
    """Give ``kvm`` or ``tcg``.

    Raises:
        HostError: QEMU is not installed, or KVM is wished for and does not work.
    """
    wish = os.environ.get(WISH, "auto")
    return str(await acceleration.choose(wish, cache=cache_folder()))
