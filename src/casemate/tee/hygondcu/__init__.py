"""Hygon DCU: accelerators that sign their own reports with SM2."""
