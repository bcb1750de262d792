"""Which registers of an Azure confidential VM follow from our image, whoever's firmware starts it.

The firmware and its variables are Azure's, so PCR 0, 1, 2, 3, 5, 6, 7 and 10 follow from files
that nobody publishes; a policy compares those with what its owner has seen and decided to trust.
What our UKI leaves behind is foretold from the UKI alone: 4, 9, 11, and 12 to 15, which nothing
touches.

PCR 4 supposes the order of the TCG's firmware profile (action, separator, application) and a boot
of the UKI itself, without a loader in between. We never compared it with a machine of Azure's.
"""

from collections.abc import Mapping
from typing import Final

from casemate.tee.vtpm import launch
from casemate.tee.vtpm.uki_facts import UkiFacts

FORETOLD: Final = (4, 9, 11, 12, 13, 14, 15)
"""Registers that follow from the image. PCR 8 follows from the pod's initdata."""


def predict(uki: bytes) -> Mapping[int, bytes]:
    """Predict the registers of FORETOLD (SHA-256, 32 bytes each).

    Raises:
        InputError: a UKI that is not understood.
    """
    facts = UkiFacts.parse(uki)
    events = (
        *launch.ready_to_boot(),
        launch.application(facts.authenticode, "UKI (Authenticode)"),
        *launch.stub(facts),
        launch.application(facts.kernel_authenticode, "kernel of the UKI"),
        *launch.kernel(facts),
    )
    found = launch.registers(events)
    return {number: found[number] for number in FORETOLD}
