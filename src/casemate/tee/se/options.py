"""Switches of Secure Execution."""

import msgspec


class SeOptions(msgspec.Struct, frozen=True):
    """``skip_host_key_verification=true`` takes host key documents as they come: development."""

    skip_host_key_verification: bool = False
