from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.crypto import simulated
from casemate.crypto.certificate import Certificate
from casemate.crypto.der_encoding import sequence
from casemate.crypto.revocation import RevocationList
from casemate.crypto.simulated import Extension, Period
from casemate.crypto.vendor_chain import LONGEST, ChainMemory, arrange, verify, verify_not_revoked
from casemate.errors import VerificationError
from tests.crypto.authorities import (
    CHAIN,
    LEAF,
    LEAF_CERTIFICATE,
    MIDDLE,
    MIDDLE_CERTIFICATE,
    NOW,
    PERIOD,
    PINS,
    ROOT,
    ROOT_CERTIFICATE,
    YEAR,
    Party,
)

CRITICAL = Extension("1.2.3", sequence(), critical=True)


def refused(path: Sequence[Certificate], **changes: Any) -> str:
    given: dict[str, Any] = {"pins": PINS, "at": NOW} | changes
    with pytest.raises(VerificationError) as caught:
        verify(path, **given)
    return f"{caught.value.refusal.claim}: {caught.value.refusal.got}"


def test_chain_to_a_pinned_root_holds() -> None:
    chain = verify(CHAIN, pins=PINS, at=NOW)
    assert chain.path == CHAIN
    assert chain.leaf is LEAF_CERTIFICATE
    assert chain.root is ROOT_CERTIFICATE
    assert (chain.not_before, chain.not_after) == (PERIOD.begin, PERIOD.end)
    assert chain.lists == ()


def test_root_alone_is_a_chain() -> None:
    verify([ROOT_CERTIFICATE], pins=PINS, at=NOW)
    assert "self-signed" not in refused([MIDDLE_CERTIFICATE])


def test_root_that_is_not_pinned_is_refused() -> None:
    assert "root" in refused(CHAIN, pins=frozenset())
    other = ROOT.certify(ROOT, serial=9, extensions=simulated.authority())
    assert "root" in refused((LEAF_CERTIFICATE, MIDDLE_CERTIFICATE, other))


def test_pinned_certificate_that_did_not_sign_itself_is_no_root() -> None:
    pins = frozenset({MIDDLE_CERTIFICATE.fingerprint})
    assert "did not sign itself" in refused(CHAIN[:2], pins=pins)


@pytest.mark.parametrize("index", [0, 1, 2])
def test_certificate_replaced_by_a_same_named_one_is_refused(index: int) -> None:
    impostor = Party.make("x").key
    made = [
        MIDDLE.certify(LEAF, signer=impostor),
        ROOT.certify(MIDDLE, signer=impostor, extensions=simulated.authority(0)),
        ROOT.certify(ROOT, signer=impostor, extensions=simulated.authority()),
    ]
    path = list(CHAIN)
    path[index] = made[index]
    refused(path)


def test_links_out_of_order_are_refused() -> None:
    refused(CHAIN[::-1])
    refused(CHAIN[:1] + CHAIN[2:])
    refused(())
    refused((LEAF_CERTIFICATE, *[MIDDLE_CERTIFICATE] * LONGEST))


def test_issuer_must_be_an_authority() -> None:
    plain = ROOT.certify(MIDDLE)
    got = refused((LEAF_CERTIFICATE, plain, ROOT_CERTIFICATE))
    assert "must not sign others" in got


def test_path_length_is_kept() -> None:
    deep = Party.make("deep")
    chain = (
        deep.certify(LEAF),
        MIDDLE.certify(deep, extensions=simulated.authority()),
        MIDDLE_CERTIFICATE,  # none below
        ROOT_CERTIFICATE,
    )
    assert "authorities below" in refused(chain)
    wider = ROOT.certify(MIDDLE, extensions=simulated.authority(1))
    verify((*chain[:2], wider, ROOT_CERTIFICATE), pins=PINS, at=NOW)


@pytest.mark.parametrize("seconds", [-1, 1])
@pytest.mark.parametrize("index", [0, 1, 2])
def test_each_certificate_is_valid_in_its_time_only(index: int, seconds: int) -> None:
    edge = PERIOD.begin if seconds < 0 else PERIOD.end
    verify(CHAIN, pins=PINS, at=edge)
    short = Period(NOW, NOW)
    makers = [
        lambda p: MIDDLE.certify(LEAF, period=p),
        lambda p: ROOT.certify(MIDDLE, period=p, extensions=simulated.authority(0)),
        lambda p: ROOT.certify(ROOT, period=p, extensions=simulated.authority()),
    ]
    path = list(CHAIN)
    path[index] = makers[index](short)
    pins = frozenset({path[2].fingerprint})
    chain = verify(path, pins=pins, at=NOW)
    assert (chain.not_before, chain.not_after) == (NOW, NOW)
    assert "time" in refused(path, pins=pins, at=NOW + timedelta(seconds=seconds))


def test_critical_extension_must_be_understood() -> None:
    leaf = MIDDLE.certify(LEAF, extensions=(CRITICAL,))
    path = (leaf, *CHAIN[1:])
    assert "critical" in refused(path)
    verify(path, pins=PINS, at=NOW, understood=frozenset({"1.2.3"}))


@pytest.mark.parametrize("serial", [2, 3])
def test_revoked_certificate_is_refused(serial: int) -> None:
    issuer = {2: ROOT, 3: MIDDLE}[serial]
    assert "revoked" in refused(CHAIN, lists=[issuer.revoke(serial)])
    verify(CHAIN, pins=PINS, at=NOW, lists=[issuer.revoke(serial + 10)])


def test_list_of_somebody_else_does_not_count() -> None:
    stranger = Party(ROOT.name, Party.make("x").key)
    chain = verify(CHAIN, pins=PINS, at=NOW, lists=[stranger.revoke(2), Party.make("y").revoke(3)])
    assert chain.lists == ()


def test_outdated_list_can_accuse_but_clears_nobody() -> None:
    old = Period(NOW - YEAR, NOW - timedelta(seconds=1))
    assert "revoked" in refused(CHAIN, lists=[ROOT.revoke(2, period=old)])
    assert verify(CHAIN, pins=PINS, at=NOW, lists=[ROOT.revoke(period=old)]).lists == ()
    lists = [ROOT.revoke(period=old), MIDDLE.revoke()]
    assert "no valid revocation list" in refused(CHAIN, lists=lists, lists_required=True)


def test_list_of_the_future_clears_nobody() -> None:
    later = Period(NOW + timedelta(seconds=1), NOW + YEAR)
    lists = [ROOT.revoke(period=later), MIDDLE.revoke()]
    assert "no valid" in refused(CHAIN, lists=lists, lists_required=True)


def test_partial_list_can_accuse_but_clears_nobody() -> None:
    whole = ROOT.revoke(2)
    partial = RevocationList.parse(whole.der)
    partial.is_partial = True
    assert "revoked" in refused(CHAIN, lists=[partial])
    partial.revoked = frozenset()
    lists = [partial, MIDDLE.revoke()]
    assert "no valid" in refused(CHAIN, lists=lists, lists_required=True)


def test_required_lists_are_of_every_issuer() -> None:
    lists = [ROOT.revoke(), MIDDLE.revoke()]
    chain = verify(CHAIN, pins=PINS, at=NOW, lists=lists, lists_required=True)
    assert set(chain.lists) == set(lists)
    for one in lists:
        assert "no valid" in refused(CHAIN, lists=[one], lists_required=True)


def test_chain_ends_with_its_first_list() -> None:
    soon = Period(NOW - timedelta(1), NOW + timedelta(1))
    chain = verify(CHAIN, pins=PINS, at=NOW, lists=[ROOT.revoke(period=soon)])
    assert (chain.not_before, chain.not_after) == (soon.begin, soon.end)


def test_revocation_can_be_a_step_of_its_own() -> None:
    chain = verify(CHAIN, pins=PINS, at=NOW)
    assert verify_not_revoked(chain, [], at=NOW) == chain
    checked = verify_not_revoked(chain, [ROOT.revoke()], at=NOW)
    assert len(checked.lists) == 1
    with pytest.raises(VerificationError):
        verify_not_revoked(chain, [ROOT.revoke(2)], at=NOW)
    with pytest.raises(VerificationError):
        verify_not_revoked(chain, [ROOT.revoke()], at=NOW, required=True)


def test_looking_back_lists_that_came_later_count() -> None:
    chain = verify(CHAIN, pins=PINS, at=NOW)
    later = ROOT.revoke(period=Period(NOW + timedelta(1), NOW + YEAR))
    assert verify_not_revoked(chain, [later], at=NOW).lists == ()
    assert verify_not_revoked(chain, [later], at=NOW, looking_back=True).lists == (later,)
    ended = ROOT.revoke(period=Period(NOW - YEAR, NOW - timedelta(1)))
    assert verify_not_revoked(chain, [ended], at=NOW, looking_back=True).lists == ()


def test_memory_does_not_pass_over_a_list_that_has_begun_since() -> None:
    memory = ChainMemory()
    chain = verify(CHAIN, pins=PINS, at=NOW)
    begin = NOW + timedelta(1)
    lists = [ROOT.revoke(period=Period(begin, NOW + YEAR))]
    assert verify_not_revoked(chain, lists, at=NOW, memory=memory).lists == ()
    after = begin + timedelta(seconds=1)
    assert verify_not_revoked(chain, lists, at=after, memory=memory).lists == tuple(lists)


class Spy(ChainMemory):
    """Counts what is kept."""

    kept = 0

    def keep(self, key: tuple[object, ...], *held: Any, **named: Any) -> None:
        self.kept += 1
        super().keep(key, *held, **named)


def test_chain_is_remembered_while_it_holds() -> None:
    memory = Spy()
    first = verify(CHAIN, pins=PINS, at=NOW, memory=memory)
    assert verify(CHAIN, pins=PINS, at=NOW + YEAR, memory=memory) is first
    assert memory.kept == 1
    with pytest.raises(VerificationError):
        verify(CHAIN, pins=PINS, at=NOW + YEAR + timedelta(seconds=1), memory=memory)
    with pytest.raises(VerificationError):
        verify(CHAIN, pins=PINS, at=NOW - YEAR - timedelta(seconds=1), memory=memory)


@pytest.mark.parametrize(
    "changes",
    [
        {"pins": frozenset()},
        {"lists": [ROOT.revoke(2)]},
        {"lists_required": True},
        {"path": CHAIN[:2]},
    ],
    ids=["pins", "lists", "required", "path"],
)
def test_memory_serves_only_what_it_was_made_of(changes: dict[str, Any]) -> None:
    memory = ChainMemory()
    given: dict[str, Any] = {"path": CHAIN, "pins": PINS, "at": NOW, "memory": memory}
    verify(**given)
    with pytest.raises(VerificationError):
        verify(**(given | changes))


def test_memory_keeps_what_was_understood_apart() -> None:
    memory = ChainMemory()
    path = (MIDDLE.certify(LEAF, extensions=(CRITICAL,)), *CHAIN[1:])
    verify(path, pins=PINS, at=NOW, understood=frozenset({"1.2.3"}), memory=memory)
    with pytest.raises(VerificationError):
        verify(path, pins=PINS, at=NOW, memory=memory)


def test_revocations_are_remembered_apart_from_chains() -> None:
    memory = ChainMemory()
    chain = verify(CHAIN, pins=PINS, at=NOW, memory=memory)
    checked = verify_not_revoked(chain, [ROOT.revoke()], at=NOW, memory=memory)
    assert verify_not_revoked(chain, list(checked.lists), at=NOW, memory=memory) is checked
    with pytest.raises(VerificationError):
        verify_not_revoked(chain, [ROOT.revoke(2)], at=NOW, memory=memory)
    with pytest.raises(VerificationError):
        verify_not_revoked(chain, list(checked.lists), at=NOW, required=True, memory=memory)


def test_refusal_is_not_remembered() -> None:
    memory = ChainMemory()
    with pytest.raises(VerificationError):
        verify(CHAIN, pins=PINS, at=datetime(2040, 1, 1, tzinfo=NOW.tzinfo), memory=memory)
    verify(CHAIN, pins=PINS, at=NOW, memory=memory)


def test_memory_is_bounded() -> None:
    memory = ChainMemory(most=2)
    chain = verify(CHAIN, pins=PINS, at=NOW)
    for number in range(3):
        memory.keep((number,), chain)
        memory.read_once(bytes, bytes([number]))
    assert memory.find((0,), NOW) is None
    assert memory.find((2,), NOW) is chain
    assert len(memory._read) == 2


def test_certificates_are_read_once() -> None:
    memory = ChainMemory()
    first = memory.read_once(Certificate.parse, LEAF_CERTIFICATE.der)
    assert memory.read_once(Certificate.parse, LEAF_CERTIFICATE.der) is first
    assert memory.read_once(bytes, LEAF_CERTIFICATE.der) == LEAF_CERTIFICATE.der


def test_chain_is_arranged_by_issuers_names() -> None:
    assert arrange(LEAF_CERTIFICATE, CHAIN[::-1]) == CHAIN
    assert arrange(LEAF_CERTIFICATE, []) == (LEAF_CERTIFICATE,)
    assert arrange(ROOT_CERTIFICATE, CHAIN) == (ROOT_CERTIFICATE,)


def test_of_several_with_one_name_the_signer_is_taken() -> None:
    impostor = Party(MIDDLE.name, Party.make("x").key)
    other = ROOT.certify(impostor, extensions=simulated.authority())
    assert arrange(LEAF_CERTIFICATE, [other, *CHAIN]) == CHAIN
    assert arrange(LEAF_CERTIFICATE, [other, other, ROOT_CERTIFICATE])[1] is other


def test_circle_of_issuers_ends() -> None:
    one, two = Party.make("one"), Party.make("two")
    pool = [one.certify(two), two.certify(one)]
    assert len(arrange(pool[0], pool)) == LONGEST


def test_pins_are_shown_in_the_refusal() -> None:
    with pytest.raises(VerificationError) as caught:
        verify(CHAIN, pins=frozenset({bytes(32)}), at=NOW)
    assert bytes(32).hex() in caught.value.refusal.expected
    assert caught.value.refusal.step == "certificate"


@given(st.lists(st.sampled_from(CHAIN), max_size=5))
def test_no_other_order_of_certificates_holds(path: list[Certificate]) -> None:
    held = tuple(path) in {CHAIN[index:] for index in range(3)} or (
        bool(path) and all(one == ROOT_CERTIFICATE for one in path)
    )
    try:
        verify(path, pins=PINS, at=NOW)
    except VerificationError:
        assert not held
    else:
        assert held
