"""Simulators of real boundaries, shared by all tests."""
