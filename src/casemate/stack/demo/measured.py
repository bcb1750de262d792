"""Measurements foretold from files, beside those that the running pod's TPM quotes."""

from datetime import datetime

from casemate.stack.demo.report import Measurements
from casemate.stack.scene import Scene
from casemate.tee import verifiers
from casemate.tee.anchors import Anchors
from casemate.tee.evidence import Expectation, Inputs
from casemate.tee.vtpm.report import INIT_DATA_PCR, TEE, init_data_register
from casemate.wire import initdata


def measurements(scene: Scene, *, now: datetime) -> Measurements:
    """Verify the pod's evidence as an auditor would, and set both sides next to each other.

    Raises:
        VerificationError: the evidence is not genuine.
    """
    recorded = scene.recording()
    digest = initdata.parse(scene.initdata.read_bytes()).digest
    platform = (scene.folder.platform / "ca.pem").read_bytes()
    (verified,) = verifiers.verify(
        TEE,
        recorded.evidence,
        Expectation(report_data=recorded.binding.report_data().value, init_data=digest),
        Inputs(now=now, anchors=Anchors(ak_authorities=(platform,))),
    )
    foretold = {
        **{_name(number): value for number, value in scene.image.measurements.items()},
        _name(INIT_DATA_PCR): init_data_register(digest).hex(),
    }
    predicted = dict(sorted(foretold.items()))
    return Measurements(
        predicted=predicted, seen={name: str(verified.claims[name]) for name in predicted}
    )


def _name(number: int) -> str:
    """Name a register as claims do: ``pcr04``."""
    return f"pcr{number:02}"
