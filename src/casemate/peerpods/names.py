"""Names of sandboxes and instances: from strangers, and used in paths and certificates."""

import re
from typing import Final

from casemate.errors import InputError

LONGEST_INSTANCE: Final = 63
"""Characters: an instance's name is also a DNS label and its certificate's name."""

_SANDBOX: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
_CRIO: Final = re.compile(r"k8s_([^_]+)_")


def sandbox_id(text: str) -> str:
    """Take a sandbox id: letters, digits, ``-`` and ``_``, at most 128; it becomes a folder.

    Raises:
        InputError: anything else.
    """
    if not _SANDBOX.fullmatch(text):
        raise InputError("sandbox id", got=text, want="1 to 128 of A-Z a-z 0-9 - _")
    return text


def pod_name(text: str) -> str:
    """Give the pod's own name; CRI-O writes ``k8s_<pod>_<namespace>_<uid>_0`` (runtime.md §4)."""
    found = _CRIO.match(text)
    return found.group(1) if found else text


def instance_name(pod: str, sandbox: str) -> str:
    """Name a VM ``podvm-<pod>-<first 8 of sandbox>``, cut to 63 characters (runtime.md §7.2).

    The pod's part is what is cut, so that two pods never share a name.
    """
    tail = re.sub(r"[^a-z0-9-]", "-", sandbox[:8].lower()).strip("-") or "0"
    plain = re.sub(r"[^a-z0-9-]+", "-", pod_name(pod).lower()).strip("-") or "pod"
    head = plain[: LONGEST_INSTANCE - len("podvm--") - len(tail)].rstrip("-")
    return f"podvm-{head}-{tail}"
