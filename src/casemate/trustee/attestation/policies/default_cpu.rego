# Appraises evidence of a CPU's TEE (trustee spec §12.2). Everything starts out contraindicated;
# a claim gets better only where a rule below says so. `reasons` says what fell short.
package policy

import rego.v1

default executables := 33

default hardware := 97

default configuration := 36

trust_claims := {
	"executables": executables,
	"hardware": hardware,
	"configuration": configuration,
	"instance-identity": 0,
	"file-system": 0,
	"runtime-opaque": 0,
	"storage-opaque": 0,
	"sourced-data": 0,
}

extensions := array.concat(identifiers, [{
	"name": "ear.casemate.reasons",
	"key": -70001,
	"value": sort([reason | some reason in reasons]),
}])

among(value, name) if value in query_reference_value(name)

# ---- sample: no hardware at all, hence never better than 32, whatever the reference values say ----

executables := 3 if {
	input.sample
	among(input.sample.launch_digest, "launch_digest")
}

hardware := 32 if {
	input.sample
	among(input.sample.svn, "svn")
	input.sample.platform_version.major == query_reference_value("major_version")
	minimum := query_reference_value("minimum_minor_version")
	is_number(minimum)
	input.sample.platform_version.minor >= minimum
}

configuration := 2 if {
	input.sample
	input.sample.debug == false
}

reasons contains {
	"claim": "launch_digest",
	"got": input.sample.launch_digest,
	"expected": expected("launch_digest"),
	"rule": "default_cpu: executables",
	"remedy": "Register the reference value launch_digest.",
} if {
	input.sample
	executables != 3
}

reasons contains {
	"claim": "hardware",
	"got": "sample evidence, which proves nothing",
	"expected": "evidence of real hardware",
	"rule": "default_cpu: hardware",
	"remedy": "Use a real TEE.",
} if {
	input.sample
}

# ---- tpm: a certified virtual TPM. Who runs the host runs it too, hence never better than 32 ----

hardware := 32 if {
	input.tpm
	input.tpm.ak_certified == true
}

# 0 firmware, 2 option ROMs (code a host can hand in with a device), 4 the UKI and the kernel in it,
# 9 command line and initrd, 11 the UKI's sections
tpm_executables := ["pcr00", "pcr02", "pcr04", "pcr09", "pcr11"]

# 1 boot options, 3 and 6 nothing but separators, 5 how the firmware handed over, 7 Secure Boot
tpm_configuration := ["pcr01", "pcr03", "pcr05", "pcr06", "pcr07"]

executables := 3 if {
	input.tpm
	every register in tpm_executables { tpm_expected(register) }
}

# What is put into the boot from outside the image: 12 a command line, 13 system extensions, 14
# Secure Boot's exceptions, 15 volumes
tpm_outside := ["pcr12", "pcr13", "pcr14", "pcr15"]

# The root file system's verity hash stands in the command line that PCR 9 and 11 measure; one
# given from outside shows in PCR 12.
configuration := 2 if {
	input.tpm
	every register in tpm_configuration { tpm_expected(register) }
	tpm_expected("pcr09")
	tpm_expected("pcr11")
	every register in tpm_outside { untouched(input.tpm[register]) }
}

tpm_expected(register) if among(input.tpm[register], sprintf("tpm_%s", [register]))

untouched(value) if regex.match(`^0{64}$`, value)

tpm_rule(register) := "default_cpu: executables" if register in tpm_executables

tpm_rule(register) := "default_cpu: configuration" if register in tpm_configuration

tpm_meaning := {
	"pcr00": "The firmware is not the expected one.",
	"pcr01": "The firmware's boot options are not the expected ones.",
	"pcr02": "Code came in with a device: an option ROM.",
	"pcr03": "A device's firmware brought configuration along.",
	"pcr04": "The boot image or its kernel is not the expected one.",
	"pcr05": "The firmware did not hand over as expected.",
	"pcr06": "The platform measured something of its own.",
	"pcr07": "Secure Boot is not set as expected.",
	"pcr09": "The kernel's command line (with the root file system's hash) or the initrd differs.",
	"pcr11": "A section of the boot image (kernel, initrd, command line) differs.",
}

reasons contains {
	"claim": register,
	"got": input.tpm[register],
	"expected": expected(sprintf("tpm_%s", [register])),
	"rule": tpm_rule(register),
	"remedy": sprintf(
		"%s Boot the image that was measured, or register the reference value tpm_%s of yours.",
		[tpm_meaning[register], register],
	),
} if {
	input.tpm
	some register in array.concat(tpm_executables, tpm_configuration)
	not tpm_expected(register)
}

reasons contains {
	"claim": register,
	"got": input.tpm[register],
	"expected": "64 zeros: nothing given from outside the image",
	"rule": "default_cpu: configuration",
	"remedy": "Boot with nothing but the image: no command line or extension beside it.",
} if {
	input.tpm
	some register in tpm_outside
	not untouched(input.tpm[register])
}

reasons contains {
	"claim": "hardware",
	"got": "a certified virtual TPM",
	"expected": "hardware that keeps the host out of the guest's memory",
	"rule": "default_cpu: hardware",
	"remedy": "A virtual TPM is run by the host: use it with a policy that accepts warnings.",
} if {
	input.tpm
}

expected(name) := "a registered reference value; there is none" if query_reference_value(name) == null

expected(name) := sprintf("one of %v", [query_reference_value(name)]) if {
	query_reference_value(name) != null
}

# ---- snp ----

executables := 3 if {
	input.snp
	among(input.snp.measurement, "snp_launch_measurement")
}

hardware := 2 if {
	input.snp
	among(input.snp.reported_tcb_bootloader, "snp_bootloader")
	among(input.snp.reported_tcb_microcode, "snp_microcode")
	among(input.snp.reported_tcb_snp, "snp_snp_svn")
	among(input.snp.reported_tcb_tee, "snp_tee_svn")
}

snp_closed if {
	input.snp.policy_debug_allowed == false
	input.snp.policy_migrate_ma == false
}

snp_as_wanted if {
	input.snp.platform_smt_enabled == query_reference_value("snp_smt_enabled")
	input.snp.platform_tsme_enabled == query_reference_value("snp_tsme_enabled")
	input.snp.policy_abi_major == query_reference_value("snp_guest_abi_major")
	input.snp.policy_abi_minor == query_reference_value("snp_guest_abi_minor")
	input.snp.policy_single_socket == query_reference_value("snp_single_socket")
	input.snp.policy_smt_allowed == query_reference_value("snp_smt_allowed")
}

configuration := 2 if {
	input.snp
	snp_closed
	snp_as_wanted
} else := 3 if {
	input.snp
	snp_closed
}

# ---- tdx ----

tdx_runtime if {
	among(input.tdx.quote.body.rtmr_1, "rtmr_1")
	among(input.tdx.quote.body.rtmr_2, "rtmr_2")
}

tdx_kernel if {
	some event in input.tdx.uefi_event_logs
	event.type_name == "EV_EFI_BOOT_SERVICES_APPLICATION"
	"File(kernel)" in event.details.device_paths
	some digest in event.digests
	digest.digest == query_reference_value("tdvfkernel")
}

tdx_command_line if {
	some event in input.tdx.uefi_event_logs
	event.type_name == "EV_EVENT_TAG"
	event.details.string == "LOADED_IMAGE::LoadOptions"
	some digest in event.digests
	digest.digest == query_reference_value("tdvfkernelparams")
}

executables := 3 if {
	input.tdx
	tdx_runtime
	tdx_kernel
	tdx_command_line
} else := 4 if {
	input.tdx
	tdx_runtime
}

hardware := 2 if {
	input.tdx
	input.tdx.quote.header.tee_type == "81000000"
	input.tdx.quote.header.vendor_id == "939a7233f79c4ca9940a0db3957f0607"
	among(input.tdx.quote.body.mr_td, "mr_td")
	input.tdx.tcb_status == "UpToDate"
	input.tdx.collateral_expiration_status == "0"
}

configuration := 2 if {
	input.tdx
	input.tdx.td_attributes.debug == false
	among(input.tdx.quote.body.xfam, "xfam")
}

# ---- se: the verifier saw a machine IBM vouches for; the header's tag covers the whole image ----

hardware := 2 if {
	input.se
	input.se.version == 256
}

executables := 3 if {
	input.se
	among(input.se.tag, "se_tag")
}

# The image was built for a machine that its owner knows.
configuration := 2 if {
	input.se
	among(input.se.tag, "se_tag")
	among(input.se.image_phkh, "se_image_phkh")
}

se_expected := {"tag": "default_cpu: executables", "image_phkh": "default_cpu: configuration"}

reasons contains {
	"claim": claim,
	"got": input.se[claim],
	"expected": expected(sprintf("se_%s", [claim])),
	"rule": rule,
	"remedy": sprintf("Start an image of yours, or register the reference value se_%s.", [claim]),
} if {
	input.se
	some claim, rule in se_expected
	not among(input.se[claim], sprintf("se_%s", [claim]))
}

# ---- what the pod's own policy names ----

containers := object.get(input, ["init_data_claims", "agent_policy_claims", "containers"], [])

container_images := [image |
	some container in containers
	image := container.OCI.Annotations["io.kubernetes.cri.image-name"]
]

container_uids := [uid |
	some container in containers
	uid := container.OCI.Process.User.UID
]

validated := object.union(
	{"container_images": value | value := container_images; count(value) > 0},
	{"container_uids": value | value := container_uids; count(value) > 0},
)

identifiers := [{
	"name": "ear.trustee.identifiers",
	"key": -18,
	"value": {"validated": validated},
}]
