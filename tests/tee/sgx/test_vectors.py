"""Real SGX quotes: the verdicts of the vectors' README."""

import base64
import json
from datetime import UTC, datetime

import pytest

from casemate.crypto.certificate import Certificate
from casemate.crypto.pem import blocks
from casemate.errors import VerificationError
from casemate.tee.dcap.pck import PckExtension
from casemate.tee.evidence import Expectation, Inputs
from casemate.tee.material import Material
from casemate.tee.sgx.claims import quote_claims
from casemate.tee.sgx.report import SgxEvidence
from casemate.tee.sgx.verifier import parse_quote
from casemate.tee.verifiers import verify
from tests.vectors import vector


def test_enclave_that_greets_the_world() -> None:
    collateral = vector("sgx", "qvl_sgx_quote_collateral.json").read_bytes()
    (found,) = verify(
        "sgx",
        vector("sgx", "qvl_sgx_quote.dat").read_bytes(),
        Expectation(report_data=b"Hello, world!"),
        Inputs(
            now=datetime(2025, 7, 1, tzinfo=UTC),
            collateral=Material.of_files({"collateral.json": collateral}),
        ),
    )
    claims = found.claims
    assert claims["tcb_status"] == "ConfigurationAndSWHardeningNeeded"
    assert claims["advisory_ids"] == ["INTEL-SA-00289", "INTEL-SA-00615"]
    assert claims["qe_tcb_status"] == "UpToDate"
    assert claims["sgx_type"] == "Standard"
    assert claims["pck_ca"] == "processor"
    assert "platform_instance_id" not in claims
    assert "is_smt_enabled" not in claims
    assert claims["header"]["qe_svn"] == "0a00"
    assert claims["body"]["attributes.flags"] == "0500000000000000"
    assert claims["platform_provider_id"] == "d04ec06d4e6d92dc90d0ad3cf5ee2ddf"
    # as dcap-qvl computes them
    assert claims["earliest_issue_date"] == "2018-05-21T10:45:10Z"
    assert claims["latest_issue_date"] == "2025-06-19T10:56:11Z"
    assert claims["earliest_expiration_date"] == "2025-07-19T10:01:18Z"


def test_occlum_quote_says_what_its_readme_says() -> None:
    quote, body = parse_quote(vector("sgx", "occlum_quote.dat").read_bytes())
    leaf = Certificate.parse(blocks(quote.signature_data.certificates)[0])
    claims = quote_claims(quote, body, PckExtension.of(leaf))
    assert claims["platform_instance_id"] == "7a3a6941065cd5060bd93d3db2cfc0c8"
    assert claims["body"]["mr_enclave"].startswith("8f173e46")
    assert claims["body"]["mr_enclave"].endswith("1c68")
    assert claims["body"]["mr_signer"].startswith("83d719e7")
    assert claims["body"]["mr_signer"].endswith("ce9e")
    assert claims["report_data"] == b"test".ljust(64, b"\0").hex()
    assert claims["body"]["attributes.flags"] == "0700000000000000"
    assert set(claims["header"]) == {
        *("version", "att_key_type", "att_key_data_0", "qe_svn", "pce_svn", "vendor_id"),
        "user_data",
    }


def test_occlum_chain_holds_and_collateral_is_missed() -> None:
    with pytest.raises(VerificationError) as caught:
        verify(
            "sgx",
            vector("sgx", "occlum_quote.dat").read_bytes(),
            Expectation(report_data=b"test"),
            Inputs(now=datetime(2024, 7, 1, tzinfo=UTC)),
        )
    assert caught.value.refusal.step == "sgx.3 collateral"


def test_evidence_in_a_rest_request_holds_the_same_quote() -> None:
    request = json.loads(vector("sgx", "rest-attestation-request.json").read_bytes())
    found = request["verification_requests"][0]["evidence"]
    raw = base64.urlsafe_b64decode(found + "=" * (-len(found) % 4))
    wanted = vector("sgx", "occlum_quote.dat").read_bytes()
    assert SgxEvidence.parse(raw).quote == wanted
