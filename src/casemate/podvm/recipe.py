"""What a pod VM image is made of, as data: packages, programs, Python, kernel arguments."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

import casemate

_CHECKOUT: Final = Path(casemate.__file__).parents[2]

SUITE: Final = "bookworm"
KERNEL_METAPACKAGE: Final = "linux-image-cloud-amd64"
"""Depends on the kernel of the day, whose package name holds its version."""

PACKAGES: Final = (
    # what the guest runs
    "python3.11-minimal",
    "libpython3.11-minimal",
    "libpython3.11-stdlib",
    "crun",
    "cryptsetup-bin",
    "e2fsprogs",
    # their libraries
    "libargon2-1",
    "libblkid1",
    "libbz2-1.0",
    "libc6",
    "libcap2",
    "libcom-err2",
    "libcryptsetup12",
    "libdevmapper1.02.1",
    "libexpat1",
    "libext2fs2",
    "libffi8",
    "libgcc-s1",
    "libgcrypt20",
    "libgpg-error0",
    "libjson-c5",
    "liblz4-1",
    "liblzma5",
    "libpcre2-8-0",
    "libpopt0",
    "libseccomp2",
    "libselinux1",
    "libssl3",
    "libstdc++6",
    "libsystemd0",
    "libudev1",
    "libuuid1",
    "libyajl2",
    "libzstd1",
    "zlib1g",
    # what the build itself takes from Debian: EFI stub, compiler of init.c, the debug shell
    "systemd-boot-efi",
    "tcc",
    "busybox-static",
)
"""Exactly these are fetched, and the kernel. A library that is missing fails the build."""

PROGRAMS: Final = (
    "usr/bin/python3.11",
    "usr/bin/crun",
    "usr/sbin/cryptsetup",
    "usr/sbin/integritysetup",
    "usr/sbin/mke2fs",
)
"""Programs of the guest; all else of the packages stays out, but the libraries these need."""

RUNTIME_LIBRARIES: Final = ("libgcc_s.so.1",)
"""Libraries which glibc opens by name at run time, so that no program lists them."""

GUEST_ENTRY: Final = "casemate.guest.init"
"""The guest's composition root; its import closure is the code inside the image."""

GUEST_PROCESSES: Final = (
    GUEST_ENTRY,
    "casemate.guest.vault",
    "casemate.guest.hub.serve",
    "casemate.guest.hub.agent_calls",
    "casemate.guest.hub.service",
    "casemate.guest.attestation.service",
    "casemate.guest.rest.serve",
    "casemate.guest.pod",
)
"""What the guest's processes import; the entry first, since it leaves modules out."""

FORBIDDEN_ROOMS: Final = (
    "casemate.cli",
    "casemate.peerpods",
    "casemate.podvm",
    "casemate.runtime",
    "casemate.stack",
    "casemate.tee.verifiers",
    "casemate.trustee",
    "casemate.workload",
)
"""Rooms that must never be inside the image, whatever imports them."""

KERNEL_ARGUMENTS: Final = (
    "console=ttyS0",
    "quiet",
    "ro",
    "panic=-1",  # a panic ends the VM at once (QEMU runs with -no-reboot)
    "audit=0",
    "cryptomgr.notests",  # self tests of ciphers cost half a second under emulation
    "no_timer_check",  # counts ticks against time, which a busy host that emulates cannot promise
    "random.trust_cpu=1",
    "tsc=reliable",  # else the clock is the HPET, a device, slow to read: docs/decisions/0010
    "rcupdate.rcu_expedited=1",  # mounts, namespaces and cgroups wait for grace periods
)

FIRMWARE_CODE: Final = Path("/usr/share/OVMF/OVMF_CODE.fd")
FIRMWARE_VARS: Final = Path("/usr/share/OVMF/OVMF_VARS.fd")
"""OVMF's 2 MB build: boots about three seconds faster under emulation than the 4 MB one."""


class Variant(StrEnum):
    """Which image; each is measured differently."""

    PRODUCTION = "production"
    DEBUG = "debug"
    """The same with a shell on the console: whoever holds the console holds the pod."""
    BARE = "bare"
    """Its init prints one line and powers off: the floor of the boot benchmark."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """The inputs of a build which are not fixed above."""

    variant: Variant = Variant.PRODUCTION
    requirements: Path = _CHECKOUT / "requirements/guest.txt"
    """Python packages of the guest, pinned by hash."""
    compression: str = "lz4hc"
    """erofs compression: fewer bytes to hash under dm-verity; empty for none."""
    firmware_code: Path = FIRMWARE_CODE
    firmware_vars: Path = FIRMWARE_VARS


DIRECTORIES: Final = (
    "dev",
    "proc",
    "sys",
    "run",
    "tmp",
    "root",
    "var",
    "etc",
    "usr/bin",
    "usr/lib",
)
"""Folders that exist even when empty: what the guest mounts over, and where links point."""

LINKS: Final[Mapping[str, str]] = {
    "bin": "usr/bin",
    "sbin": "usr/sbin",
    "lib": "usr/lib",
    "lib64": "usr/lib64",
    "usr/sbin/mkfs.ext4": "mke2fs",
    "usr/bin/python3": "python3.11",
    "etc/mtab": "../proc/self/mounts",
    "etc/resolv.conf": "../run/resolv.conf",
    "var/run": "../run",
    "var/tmp": "../tmp",
}

TEXTS: Final[Mapping[str, str]] = {
    "etc/passwd": "root:x:0:0:root:/root:/nonexistent\nnobody:x:65534:65534::/:/nonexistent\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "etc/hosts": "127.0.0.1 localhost\n::1 localhost\n",
    "etc/hostname": "podvm\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
    "etc/os-release": "ID=casemate\nNAME=Casemate\nPRETTY_NAME=Casemate pod VM\nID_LIKE=debian\n",
    "etc/machine-id": "",
    "etc/mke2fs.conf": (
        "[defaults]\n\tbase_features = sparse_super,large_file,filetype,resize_inode,dir_index,"
        "ext_attr\n\tblocksize = 4096\n\tinode_size = 256\n\tinode_ratio = 16384\n"
        "[fs_types]\n\text4 = {\n\t\tfeatures = has_journal,extent,huge_file,flex_bg,"
        "metadata_csum,64bit,dir_nlink,extra_isize\n\t}\n"
    ),
}
