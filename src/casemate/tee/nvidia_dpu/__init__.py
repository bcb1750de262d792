"""NVIDIA BlueField DPUs: a DICE chain of two certificates, and a signature over the report data."""
