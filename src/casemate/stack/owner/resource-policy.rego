# The owner's rule: only a pod that booted the expected software, in a VM whose TPM the platform
# certified, and that was started with the owner's own configuration, gets anything.
package policy

import rego.v1

default allow := false

# PCR 8 after the owner's initdata was bound to it.
expected_initdata := "@PCR08@"

allow if {
	data.plugin == "resource"
	count(input.submods) > 0
	every submod in input.submods { accepted(submod) }
}

accepted(submod) if {
	measured(submod)
	evidence(submod).pcr08 == expected_initdata
}

measured(submod) if {
	evidence(submod).ak_certified == true
	vector := submod["ear.trustworthiness-vector"]
	vector.hardware == 32
	affirming(vector.executables)
	affirming(vector.configuration)
}

evidence(submod) := submod["ear.veraison.annotated-evidence"].tpm

affirming(value) if {
	value >= 2
	value <= 31
}

reasons contains {
	"claim": "pcr08, the initdata of the pod",
	"got": evidence(submod).pcr08,
	"expected": expected_initdata,
	"rule": "the owner's resource policy: initdata as the owner wrote it",
	"remedy": "Start the pod with the owner's initdata, unchanged.",
} if {
	some submod in input.submods
	evidence(submod).pcr08 != expected_initdata
}

reasons contains reason if {
	some submod in input.submods
	not measured(submod)
	some reason in submod["ear.casemate.reasons"]
	reason.rule != "default_cpu: hardware"
}

reasons contains {
	"claim": "TEE type",
	"got": concat(", ", object.keys(object.get(submod, "ear.veraison.annotated-evidence", {}))),
	"expected": "tpm, certified by the platform",
	"rule": "the owner's resource policy",
	"remedy": "Run the pod in a VM of this platform.",
} if {
	some submod in input.submods
	not evidence(submod)
}
