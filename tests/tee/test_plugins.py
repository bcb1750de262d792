"""A verifier that somebody else wrote counts only when it is named, and never for a TEE of ours."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from casemate.errors import InputError, VerificationError
from casemate.tee.evidence import Expectation, Inputs
from casemate.tee.plugins import with_plugins
from casemate.tee.verifiers import VERIFIERS, verify
from casemate.trustee.found import found
from casemate.trustee.kbs.exchange import Ask
from casemate.trustee.serve import Trustee

MODULE = """
from casemate.tee.evidence import VerifiedEvidence
from casemate.tee.trail import Check, Topic, table
from casemate.tee.verifiers import Verifier

CHECKS = table(Check(1, "shape", Topic.SHAPE, "five bytes", "acme"))


def verify(raw, expected, inputs, trail):
    with trail.step(1) as step:
        step.require(len(raw) == 5, "evidence", len(raw), "5 bytes")
    return (
        VerifiedEvidence(
            tee="acme", tee_class="cpu", claims={}, report_data=b"", init_data=None
        ),
    )


ROW = Verifier(verify, CHECKS)
OTHER = 7
"""


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[None]:
    """A package that offers a verifier, as pip would have installed it."""
    (tmp_path / "acme_tee.py").write_text(MODULE)
    (tmp_path / "acme_broken.py").write_text("raise RuntimeError('no')\n")
    facts = tmp_path / "acme-1.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1\n")
    (facts / "entry_points.txt").write_text(
        "[casemate.verifiers]\nacme = acme_tee:ROW\nsample = acme_tee:ROW\n"
        "seven = acme_tee:OTHER\nbroken = acme_broken:ROW\n"
    )
    sys.path.insert(0, str(tmp_path))
    yield
    sys.path.remove(str(tmp_path))
    sys.modules.pop("acme_tee", None)


NOW = Inputs(now=datetime(2026, 1, 1, tzinfo=UTC))
NOTHING = Expectation(report_data=None)


@pytest.mark.usefixtures("installed")
def test_named_plugin_verifies_its_tee() -> None:
    table = with_plugins(["acme"])
    (found,) = verify("acme", b"12345", NOTHING, NOW, table=table)
    assert found.tee == "acme"
    with pytest.raises(VerificationError) as caught:
        verify("acme", b"1234", NOTHING, NOW, table=table)
    assert caught.value.refusal.step == "acme.1 shape"


@pytest.mark.usefixtures("installed")
def test_installed_plugin_that_nobody_named_decides_nothing() -> None:
    assert with_plugins([]) == VERIFIERS
    with pytest.raises(VerificationError):
        verify("acme", b"12345", NOTHING, NOW)


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("name", ["sample", "seven", "broken", "absent"])
def test_plugin_for_a_tee_of_ours_or_without_a_row_is_refused(name: str) -> None:
    with pytest.raises(InputError):
        with_plugins([name])


@pytest.mark.usefixtures("installed")
def test_a_trustee_listens_to_a_plugin_that_its_settings_name(tmp_path: Path) -> None:
    found(tmp_path)
    named = {"verifier.plugins": ["acme"]}
    with_it = Trustee.build(tmp_path / "trustee.toml", environment={}, overrides=named)
    without = Trustee.build(tmp_path / "trustee.toml", environment={})
    for trustee, status in ((with_it, 200), (without, 401)):
        assert trustee.broker is not None
        body = b'{"version":"0.4.0","tee":"acme","extra-params":""}'
        ask = Ask(method="POST", target="/kbs/v0/auth", headers={}, body=body, peer="127.0.0.1")
        assert trustee.broker.answer(ask).status == status
        trustee.close()
    with pytest.raises(InputError):
        Trustee.build(
            tmp_path / "trustee.toml", environment={}, overrides={"verifier.plugins": ["absent"]}
        )
