"""Hygon's root (tee §15): pinned by the SHA-256 of its file, which is no X.509 and is not shipped.

It comes from https://cert.hygon.cn/hrk or an operator's folder, and counts by this digest alone.
"""

from typing import Final

PINS: Final = frozenset(
    {
        # HYGON-SSD-HRK, 832 bytes, kid 3ae86a9701355cce333a589de21583d7
        bytes.fromhex("296efa97580464aca0ab5eefe42199ee05862182508d1629f29cf4dc175b10cd"),
    }
)
