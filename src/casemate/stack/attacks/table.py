"""Every attack, in the order that the demo shows them."""

from collections.abc import Sequence
from typing import Final

from casemate.errors import InputError
from casemate.stack.attacks import (
    container_changed,
    evidence_borrowed,
    exec_denied,
    forged_token,
    host_search,
    image_other_key,
    image_unsigned,
    initdata_changed,
    layer_tampered,
    other_kernel,
    other_key,
    replay,
    root_flipped,
    sample_evidence,
    stale_nonce,
    tpm_anyone_made,
    verity_off,
    wrong_authority,
)
from casemate.stack.attacks.attack import Attack

ATTACKS: Final = (
    # a client that bends the protocol
    replay.ATTACK,
    other_key.ATTACK,
    stale_nonce.ATTACK,
    tpm_anyone_made.ATTACK,
    sample_evidence.ATTACK,
    forged_token.ATTACK,
    # whoever rules the registry
    image_unsigned.ATTACK,
    image_other_key.ATTACK,
    layer_tampered.ATTACK,
    # whoever rules the host
    exec_denied.ATTACK,
    container_changed.ATTACK,
    evidence_borrowed.ATTACK,
    root_flipped.ATTACK,
    verity_off.ATTACK,
    other_kernel.ATTACK,
    initdata_changed.ATTACK,
    wrong_authority.ATTACK,
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
