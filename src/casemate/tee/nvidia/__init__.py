"""NVIDIA GPUs and switches in confidential mode: SPDM measurements signed by each device."""
