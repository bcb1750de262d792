"""Encrypted storage keyed in the guest: the scratch disk, and volumes their owner encrypted."""
