"""What package clients of this machine may see of its environment."""

import os
import re
from typing import Final

_PASSED_ON: Final = re.compile(
    r"(PIP_\w+|SSL_CERT_\w+|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|APT_CONFIG|(https?|no|all)_proxy)",
    re.IGNORECASE,
)

PATIENCE: Final = 600.0
"""Seconds that one run of a package client may take."""


def environment() -> dict[str, str]:
    """Settings of package clients (mirrors, proxies, certificates); nothing else passes."""
    return {name: value for name, value in os.environ.items() if _PASSED_ON.fullmatch(name)}
