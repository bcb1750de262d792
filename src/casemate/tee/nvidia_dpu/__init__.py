"""NVIDIA BlueField DPUs: a DICE chain, whose last key signs the report data."""
