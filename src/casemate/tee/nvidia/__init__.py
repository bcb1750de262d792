"""NVIDIA GPUs and switches: SPDM measurements, signed by a key that the boot ROM certified."""
