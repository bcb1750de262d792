"""Every attack, in the order that the demo shows them."""

from collections.abc import Sequence
from typing import Final

from casemate.errors import InputError
from casemate.stack.attacks import (
    exec_denied,
    forged_token,
    host_search,
    other_key,
    replay,
    stale_nonce,
)
from casemate.stack.attacks.attack import Attack

ATTACKS: Final = (
    replay.ATTACK,
    other_key.ATTACK,
    stale_nonce.ATTACK,
    forged_token.ATTACK,
    exec_denied.ATTACK,
    host_search.ATTACK,
)


def chosen(names: Sequence[str]) -> tuple[Attack, ...]:
    """Give the attacks of these names; all of them for none.

    Raises:
        InputError: there is no such attack.
    """
    known = {attack.name: attack for attack in ATTACKS}
    for name in names:
        if name not in known:
            raise InputError("attack", got=name, want=f"one of {', '.join(known)}")
    return tuple(known[name] for name in names) if names else ATTACKS
