"""The adaptor's settings table; upstream's flags in brackets (runtime.md §7.1)."""

from typing import Final

from casemate.settings import Setting

PREFIX: Final = "CASEMATE_ADAPTOR"

TABLE: Final = (
    Setting(name="provider", type=str, default="qemu", help="The cloud that makes VMs."),
    Setting(name="socket", type=str, default="", help="Where the service listens (socket)."),
    Setting(name="pods", type=str, default="", help="A folder for each pod (pods-dir)."),
    Setting(name="platform", type=str, default="", help="Folder of the platform's authority."),
    Setting(name="limit", type=int, default=10, help="Most pods at one time.", unit="pods"),
    Setting(
        name="connect",
        type=float,
        default=300.0,
        help="From a VM's start to its agent (proxy-timeout).",
        unit="seconds",
    ),
    Setting(name="qemu.accel", type=str, default="auto", help="auto, kvm or tcg."),
    Setting(name="qemu.vcpus", type=int, default=2, help="vCPUs unless a pod wishes others."),
    Setting(name="qemu.memory", type=int, default=1024, help="RAM of a VM.", unit="MiB"),
    Setting(name="qemu.scratch", type=int, default=4096, help="Sparse scratch disk.", unit="MiB"),
)
