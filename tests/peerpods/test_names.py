import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casemate.crypto.authority import CertificateAuthority
from casemate.peerpods import names

AUTHORITY = CertificateAuthority.create("authority of names")


@pytest.mark.parametrize(
    ("pod", "sandbox", "name"),
    [
        ("app", "0123456789abcdef", "podvm-app-01234567"),
        ("k8s_web_default_uid_0", "0123456789", "podvm-web-01234567"),
        ("a" * 80, "01234567", f"podvm-{'a' * 48}-01234567"),
        ("Ünïcode.Pod", "x", "podvm-n-code-pod-x"),
        ("web", "sandbox-1", "podvm-web-sandbox"),
        ("web", "---", "podvm-web-0"),
    ],
)
def test_instances_are_named_as_upstream_names_them(pod: str, sandbox: str, name: str) -> None:
    assert names.instance_name(pod, sandbox) == name


@settings(max_examples=100)
@given(st.text(max_size=100), st.from_regex(r"[A-Za-z0-9_-]{1,70}", fullmatch=True))
def test_every_name_is_a_label(pod: str, sandbox: str) -> None:
    name = names.instance_name(pod, sandbox)
    assert len(name) <= names.LONGEST_INSTANCE
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    AUTHORITY.issue_server(name, [name])  # raises where it is none
