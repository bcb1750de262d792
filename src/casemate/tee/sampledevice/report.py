"""Evidence of the sample device: the sample TEE's object, with an svn of its own (tee §2)."""

from typing import Final

TEE: Final = "sampledevice"
SVN: Final = "2"
DEVICE_CLASS: Final = "gpu"
"""EAR submodule prefix: it stands for a GPU."""
