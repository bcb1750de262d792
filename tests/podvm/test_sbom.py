import msgspec

from casemate.podvm import sbom
from casemate.podvm.sources import Source

DEB = Source(name="crun", version="1:1.8+deb12u1", file="crun.deb", sha256="ab" * 32)
WHEEL = Source(name="h11", version="0.16.0", file="h11.whl", sha256="cd" * 32)


def test_bill_names_every_part_with_its_digest() -> None:
    raw = sbom.compose(key="k", debian=[DEB], wheels=[WHEEL], code_digest="ef" * 32)
    bill = msgspec.json.decode(raw)
    assert bill["spdxVersion"] == "SPDX-2.3"
    found = {p["name"]: p["checksums"][0]["checksumValue"] for p in bill["packages"]}
    assert found == {"crun": "ab" * 32, "h11": "cd" * 32, "casemate-guest": "ef" * 32}
    identifiers = [p["SPDXID"] for p in bill["packages"]]
    assert len(set(identifiers)) == 3
    assert all(r["relatedSpdxElement"] in identifiers for r in bill["relationships"])


def test_bill_does_not_tell_the_time() -> None:
    one, two = (
        sbom.compose(key="k", debian=[DEB], wheels=[], code_digest="00" * 32) for _ in range(2)
    )
    assert one == two
