from casemate.tee.machine import Machine
from casemate.tee.sampledevice.attester import open_attester


def test_sample_device_repeats_what_it_is_told() -> None:
    made = open_attester(Machine.this({}))
    assert made.tee == "sampledevice"
    assert made.evidence(b"nonce") == b'{"svn":"2","report_data":"bm9uY2U="}'
