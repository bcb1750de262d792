"""Hygon CSV: encrypted VMs of Hygon's CPUs, attested by reports signed with SM2."""
