"""What an operator may loosen or tighten for SNP: ``snp.NAME=VALUE``."""

from typing import Annotated

import msgspec

from casemate.tee.snp.report import OLDEST_WITH_MODEL, VERSIONS

Level = Annotated[int, msgspec.Meta(ge=0, le=0xFF)]


class SnpOptions(msgspec.Struct, frozen=True, kw_only=True):
    """max_vmpl 0-3, min_version 2-5, require_revocation_lists, min_PART 0-255, kds_url."""

    max_vmpl: Annotated[int, msgspec.Meta(ge=0, le=3)] = 0
    """Least privileged level that may have asked for the report. 0 is whoever owns the guest; above
    it a paravisor speaks for software that it does not measure."""
    min_version: Annotated[int, msgspec.Meta(ge=VERSIONS.start, le=VERSIONS.stop - 1)] = (
        OLDEST_WITH_MODEL
    )
    """Oldest report version. Version 2 does not say which processor made it."""
    require_revocation_lists: bool = False
    """Refuse when there is no valid list of the ARK."""
    min_bootloader: Level = 0
    min_tee: Level = 0
    min_snp: Level = 0
    min_microcode: Level = 0
    min_fmc: Level = 0
    """Least patch levels of the reported TCB; 0 asks for nothing. ``min_fmc`` counts for Turin and
    later only."""
    kds_url: str = "https://kdsintf.amd.com"
    """AMD's key service, or a mirror of it."""

    @property
    def least(self) -> dict[str, int]:
        """Part of the TCB → least level, where one is asked for."""
        asked = {
            "fmc": self.min_fmc,
            "bootloader": self.min_bootloader,
            "tee": self.min_tee,
            "snp": self.min_snp,
            "microcode": self.min_microcode,
        }
        return {name: level for name, level in asked.items() if level}
