"""The policy of a pod whose initdata brings none; measured with the image, as all code is."""

from typing import Final

NAME: Final = "the image's default policy"

TEXT: Final = """\
# The policy of a pod whose owner brought none (initdata without policy.rego).
#
# The host may make the sandbox, run the image's own entry point, and end it. It may not look in:
# no exec, no output, no input, no files, no other command than the image's, no policy of its own.
package agent_policy

default CreateSandboxRequest = false
default CreateContainerRequest = false
default ExecProcessRequest = false
default ReadStreamRequest = false
default WriteStreamRequest = false
default CloseStdinRequest = false
default CopyFileRequest = false
default SetPolicyRequest = false
default GetDiagnosticDataRequest = false
default ReseedRandomDevRequest = false
default SetGuestDateTimeRequest = false
default UpdateEphemeralMountsRequest = false
default MemHotplugByProbeRequest = false
default AddSwapRequest = false
default AddSwapPathRequest = false
default SetIPTablesRequest = false
default UpdateInterfaceRequest = false
default UpdateRoutesRequest = false
default AddARPNeighborsRequest = false

default DestroySandboxRequest = true
default GetMetricsRequest = true
default GetOOMEventRequest = true
default GuestDetailsRequest = true
default OnlineCPUMemRequest = true
default RemoveContainerRequest = true
default RemoveStaleVirtiofsShareMountsRequest = true
default SignalProcessRequest = true
default StartContainerRequest = true
default StatsContainerRequest = true
default TtyWinResizeRequest = true
default UpdateContainerRequest = true
default WaitProcessRequest = true
default PauseContainerRequest = true
default ResumeContainerRequest = true
default ListInterfacesRequest = true
default ListRoutesRequest = true

CreateSandboxRequest {
    input.guest_hook_path == ""
    count(input.kernel_modules) == 0
}

CreateContainerRequest {
    count(input.OCI.Process.Args) == 0
    only_harmless_environment
    only_guest_pull
    no_hooks
    print(concat("; ", liberties))
    count(liberties) == 0
}

only_harmless_environment {
    count([e | e := input.OCI.Process.Env[_]; not harmless(e)]) == 0
}

harmless(entry) {
    name := split(entry, "=")[0]
    {"HOSTNAME", "TERM"}[name]
}

# Another one would choose another program of the image.
harmless("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")

only_guest_pull {
    count([s | s := input.storages[_]; s.driver != "image_guest_pull"]) == 0
}

no_hooks {
    input.OCI.Hooks == null
}

no_hooks {
    count(input.OCI.Hooks.Prestart) == 0
    count(input.OCI.Hooks.Poststart) == 0
    count(input.OCI.Hooks.Poststop) == 0
}

# What would make the image's own program another one, or show it other files than the image's. The
# agent makes the usual mounts by itself.
liberties["the host mounts something"] {
    count(input.OCI.Mounts) > 0
}

liberties["the host shares something"] {
    count(input.shared_mounts) > 0
}

liberties["the host brings devices"] {
    count(input.devices) > 0
}

liberties["the host brings devices"] {
    count(input.OCI.Linux.Devices) > 0
}

liberties["the host sets kernel parameters"] {
    count(input.OCI.Linux.Sysctl) > 0
}

# A filter can let a call fail in silence, or succeed without being made.
liberties["the host filters system calls"] {
    input.OCI.Linux.Seccomp != null
}

liberties["the host hides files of the image"] {
    hidden := array.concat(input.OCI.Linux.MaskedPaths, input.OCI.Linux.ReadonlyPaths)
    not usually_hidden[hidden[_]]
}

liberties["another folder than the image's own"] {
    not {"", "/"}[input.OCI.Process.Cwd]
}

liberties["another user than the image's own"] {
    user := input.OCI.Process.User
    [user.UID, user.GID, user.Username, count(user.AdditionalGids)] != [0, 0, "", 0]
}

liberties["another user than the image's own"] {
    input.string_user != null
}

liberties["more capabilities than a container has"] {
    not usual_capabilities[input.OCI.Process.Capabilities[_][_]]
}

usually_hidden := {
    "/proc/acpi", "/proc/asound", "/proc/bus", "/proc/fs", "/proc/interrupts", "/proc/irq",
    "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi",
    "/proc/sys", "/proc/sysrq-trigger", "/proc/timer_list", "/proc/timer_stats",
    "/sys/devices/virtual/powercap", "/sys/firmware", "/sys/fs/selinux",
}

usual_capabilities := {
    "CAP_AUDIT_WRITE", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL",
    "CAP_MKNOD", "CAP_NET_BIND_SERVICE", "CAP_NET_RAW", "CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP",
    "CAP_SETUID", "CAP_SYS_CHROOT",
}
"""
