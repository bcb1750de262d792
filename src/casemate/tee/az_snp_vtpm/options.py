"""What an operator may loosen or tighten for ``az-snp-vtpm``."""

from casemate.tee.azure.options import AzureOptions


class AzSnpOptions(AzureOptions, frozen=True, kw_only=True):
    """min_version 0-2, require_revocation_lists true/false, kds_url."""

    require_revocation_lists: bool = False
    """Refuse when there is no valid list of the ARK."""
    kds_url: str = "https://kdsintf.amd.com"
    """AMD's key service, or a mirror of it."""
