# What the pod's owner lets the host ask of the agent. Everything else is refused: no exec, no
# other policy, no files copied in, nothing written to a container, no other program than the
# image's own.
package agent_policy

import future.keywords

default StartContainerRequest := true
default RemoveContainerRequest := true
default SignalProcessRequest := true
default WaitProcessRequest := true
default StatsContainerRequest := true
default DestroySandboxRequest := true
default GuestDetailsRequest := true
default GetOOMEventRequest := true
default GetMetricsRequest := true
default CloseStdinRequest := true
default TtyWinResizeRequest := true

# The demo's containers print only what anybody may read.
default ReadStreamRequest := true

default ExecProcessRequest := false
default SetPolicyRequest := false
default CopyFileRequest := false
default WriteStreamRequest := false

default CreateSandboxRequest := false

CreateSandboxRequest if {
	count(input.storages) == 0
	count(input.kernel_modules) == 0
	input.guest_hook_path == ""
	not input.sandbox_pidns
}

# The image's own program only. Another one could print the secret, or have this pod's evidence vouch
# for a key of the host's.
default CreateContainerRequest := false

CreateContainerRequest if {
	print(concat("; ", objections))
	count(objections) == 0
}

# An image of the owner's repository; which of those is genuine, its signature decides. Without
# regular expressions: they are half of what a decision costs.
own_image(source) if {
	some mark in [":", "@sha256:"]
	name := trim_prefix(source, concat("", ["@REPOSITORY@", mark]))
	name != source
	not contains(name, "/")
}

capabilities := {
	"CAP_AUDIT_WRITE", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL",
	"CAP_MKNOD", "CAP_NET_BIND_SERVICE", "CAP_NET_RAW", "CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP",
	"CAP_SETUID", "CAP_SYS_CHROOT",
}

asked_capabilities contains name if {
	some names in input.OCI.Process.Capabilities
	some name in names
}

objections contains sprintf("image %v is not of the owner's repository", [storage.source]) if {
	some storage in input.storages
	not own_image(storage.source)
}

objections contains "it must be one image, pulled in the guest" if {
	[storage.driver | some storage in input.storages] != ["image_guest_pull"]
}

objections contains sprintf("command %v is not the image's own", [input.OCI.Process.Args]) if {
	count(input.OCI.Process.Args) > 0
}

objections contains sprintf("variables %v are not the owner's", [input.OCI.Process.Env]) if {
	count(input.OCI.Process.Env) > 0
}

objections contains sprintf("folder %v is not the image's own", [input.OCI.Process.Cwd]) if {
	not input.OCI.Process.Cwd in ["", "/"]
}

objections contains "another user than the image's own" if {
	user := input.OCI.Process.User
	[user.UID, user.GID, user.Username, count(user.AdditionalGids)] != [0, 0, "", 0]
}

objections contains "another user than the image's own" if input.string_user != null

objections contains "programs may gain privileges" if not input.OCI.Process.NoNewPrivileges

objections contains sprintf("more capabilities: %v", [more]) if {
	more := asked_capabilities - capabilities
	count(more) > 0
}

objections contains "the host mounts something" if count(input.OCI.Mounts) > 0

objections contains "the host shares something" if count(input.shared_mounts) > 0

objections contains "the host brings devices" if count(input.devices) > 0

objections contains "the host brings devices" if count(input.OCI.Linux.Devices) > 0

objections contains "the host sets kernel parameters" if count(input.OCI.Linux.Sysctl) > 0

# A filter can let a call fail in silence, or succeed without being made.
objections contains "the host filters system calls" if input.OCI.Linux.Seccomp != null

# A hidden file is an empty one: settings of the image's program among them.
objections contains sprintf("the host hides %v", [path]) if {
	some path in array.concat(input.OCI.Linux.MaskedPaths, input.OCI.Linux.ReadonlyPaths)
}
