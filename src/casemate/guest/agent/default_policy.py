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
    count([m | m := input.OCI.Mounts[_]; m.type_ == "bind"]) == 0
    no_hooks
}

only_harmless_environment {
    count([e | e := input.OCI.Process.Env[_]; not harmless(e)]) == 0
}

harmless(entry) {
    name := split(entry, "=")[0]
    {"PATH", "HOSTNAME", "HOME", "TERM"}[name]
}

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
"""
