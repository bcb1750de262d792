# What the pod's owner lets the host ask of the agent. Everything else is refused: no exec, no
# other policy, no files copied in, nothing written to a container.
package agent_policy

default CreateContainerRequest := true
default StartContainerRequest := true
default RemoveContainerRequest := true
default SignalProcessRequest := true
default WaitProcessRequest := true
default StatsContainerRequest := true
default CreateSandboxRequest := true
default DestroySandboxRequest := true
default GuestDetailsRequest := true
default GetOOMEventRequest := true
default GetMetricsRequest := true
default CloseStdinRequest := true
default TtyWinResizeRequest := true

# The demo's container prints only what anybody may read.
default ReadStreamRequest := true

default ExecProcessRequest := false
default SetPolicyRequest := false
default CopyFileRequest := false
default WriteStreamRequest := false
