"""The Trustee's settings: one table for file, environment (CASEMATE_TRUSTEE_...) and docs."""

from typing import Final

from casemate.settings import Setting

PREFIX: Final = "CASEMATE_TRUSTEE"
FILE: Final = "trustee.toml"

_SE: Final = "/run/confidential-containers/ibmse"
"""Where upstream keeps what Secure Execution needs."""

CCA_CONFIG: Final = "/opt/confidential-containers/attestation-service/cca/config.json"
"""Where upstream keeps the configuration of its CCA verifier."""

PROFILES: Final = ("production", "development")

TABLE: Final = (
    Setting(name="http.host", type=str, default="127.0.0.1", help="Address to listen on."),
    Setting(name="http.port", type=int, default=8080, help="Port to listen on; 0 finds one."),
    Setting(name="http.certificate", type=str, default="server.pem", help="PEM chain, leaf first."),
    Setting(name="http.key", type=str, default="server.key", help="PEM key of the certificate."),
    Setting(
        name="http.largest_body", type=int, default=2, unit="MiB", help="Largest request body."
    ),
    Setting(name="storage", type=str, default="trustee.db", help="SQLite file."),
    Setting(
        name="profile",
        type=str,
        default="production",
        help="production: hardware TEEs only. development: certified virtual TPMs too.",
    ),
    Setting(
        name="sample",
        type=bool,
        default=False,
        help="Listen to the sample TEE and device, which prove nothing; profile development only.",
    ),
    Setting(
        name="ak_authorities",
        type=list,
        default=[],
        help="PEM files of platform authorities that certify virtual TPMs.",
    ),
    Setting(
        name="roots",
        type=str,
        default="",
        help="Folder of roots trusted beside the vendors', and of stores such as tastore.json.",
    ),
    Setting(
        name="verifier.plugins",
        type=list,
        default=[],
        help="TEEs whose verifiers come from other installed packages; they decide as ours do.",
    ),
    Setting(
        name="verifier.options",
        type=list,
        default=[],
        help="Options of verifiers, each TEE.NAME=VALUE, such as snp.max_vmpl=1.",
    ),
    Setting(
        name="verifier.allow_debug",
        type=bool,
        default=False,
        help="Accept VMs that their host can look into; profile development only.",
    ),
    Setting(
        name="verifier.allow_migration",
        type=bool,
        default=False,
        help="Accept VMs that an agent of the host may move; profile development only.",
    ),
    Setting(
        name="collateral.folder",
        type=str,
        default="collateral",
        help="Folder in which what vendors publish is kept, and looked for first.",
    ),
    Setting(
        name="collateral.offline",
        type=bool,
        default=False,
        help="Ask no vendor: what the folder holds, however old.",
    ),
    Setting(
        name="collateral.timeout",
        type=float,
        default=20.0,
        unit="s",
        help="Longest that one attestation waits for vendors.",
    ),
    Setting(
        name="resource_policy",
        type=str,
        default="",
        help="Shipped policy for a new storage; production, or local in profile development.",
    ),
    Setting(
        name="sessions.lifetime", type=int, default=300, unit="s", help="Handshake sessions live."
    ),
    Setting(name="sessions.most", type=int, default=100_000, help="Sessions at a time; then 503."),
    Setting(
        name="evidence.keep",
        type=int,
        default=0,
        help="Believed attestations kept in the folder evidence, for auditors; the oldest goes.",
    ),
    Setting(name="token.lifetime", type=int, default=300, unit="s", help="Tokens are good for."),
    Setting(name="token.key", type=str, default="token.key", help="PEM key (EC P-256) that signs."),
    Setting(
        name="token.certificate", type=str, default="token.pem", help="PEM chain of the token key."
    ),
    Setting(name="token.issuer", type=str, default="CoCo-Attestation-Service", help="Claim iss."),
    Setting(
        name="token.authorities",
        type=list,
        default=["ca.pem"],
        help="PEM files; a token counts when its key's certificate chains to one of them.",
    ),
    Setting(
        name="admin.keys",
        type=list,
        default=["admin.pub"],
        help="PEM public keys whose tokens administer; an empty list denies everybody.",
    ),
    Setting(name="admin.issuer", type=str, default="", help="Claim iss of admin tokens, if any."),
    Setting(name="admin.audience", type=str, default="", help="Claim aud of admin tokens, if any."),
    Setting(
        name="admin.acls",
        type=list,
        default=["admin=^/kbs/v0/.*$"],
        help="role=expression: which request targets a role may use.",
    ),
    Setting(
        name="grpc.host",
        type=str,
        default="127.0.0.1",
        help="Address of the gRPC services; plaintext, so keep it on a network you trust.",
    ),
    Setting(name="as.port", type=int, default=50004, help="gRPC port of serve --only as."),
    Setting(name="rvps.port", type=int, default=50003, help="gRPC port of serve --only rvps."),
    Setting(
        name="as.address",
        type=str,
        default="127.0.0.1:50004",
        help="Attestation service of serve --only kbs.",
    ),
    Setting(
        name="rvps.address",
        type=str,
        default="",
        help="Reference values of serve --only as; its own storage when empty.",
    ),
    Setting(
        name="cca.config",
        type=str,
        default=CCA_CONFIG,
        upstream="CCA_CONFIG_FILE",
        help="How CCA is verified: here, with two stores, or by a Veraison service.",
    ),
    Setting(
        name="se.host_key_documents",
        type=str,
        default=f"{_SE}/hkds",
        upstream="DEFAULT_SE_HOST_KEY_DOCUMENTS_ROOT",
        help="Folder: one host key document for each IBM Z machine that may start the image.",
    ),
    Setting(
        name="se.certificates",
        type=str,
        default=f"{_SE}/certs",
        upstream="SE_CERTIFICATES_ROOT",
        help="Folder: IBM's host key signing certificate, and the intermediate above it.",
    ),
    Setting(
        name="se.root",
        type=str,
        default=f"{_SE}/root_ca.crt",
        upstream="SE_CERTIFICATE_ROOT_CA",
        help="Root certificate of that chain; none, no trust.",
    ),
    Setting(
        name="se.lists",
        type=str,
        default=f"{_SE}/crls",
        upstream="SE_CERTIFICATE_REVOCATION_LISTS_ROOT",
        help="Folder: revocation lists of root, intermediate and signing certificate.",
    ),
    Setting(
        name="se.image_headers",
        type=list,
        default=[f"{_SE}/hdr/hdr.bin"],
        upstream="SE_IMAGE_HEADER_FILE",
        help="Headers of the images that may run, the one that challenges name first.",
    ),
    Setting(
        name="se.customer_key",
        type=str,
        default="",
        help="PEM key (EC P-521) of requests; a fresh one for each challenge when empty.",
    ),
    Setting(
        name="se.skip_host_key_verification",
        type=bool,
        default=False,
        upstream="SE_SKIP_CERTS_VERIFICATION",
        help="Take host key documents as they come; profile development only.",
    ),
    Setting(name="log.level", type=str, default="info", help="debug, info, warning or error."),
)
"""Paths are relative to the folder of the settings file."""
