# For one machine without a TEE: a certified virtual TPM passes where software and settings are as
# expected. It proves nothing against whoever runs the host. Real hardware passes as in production.
package policy

import rego.v1

default allow := false

allow if {
	data.plugin == "resource"
	count(input.submods) > 0
	every submod in input.submods { accepted(submod) }
}

accepted(submod) if submod["ear.status"] == "affirming"

accepted(submod) if {
	vector := submod["ear.trustworthiness-vector"]
	submod["ear.veraison.annotated-evidence"].tpm.ak_certified == true
	vector.hardware == 32
	affirming(vector.executables)
	affirming(vector.configuration)
}

affirming(value) if {
	value >= 2
	value <= 31
}

reasons contains reason if {
	some submod in input.submods
	not accepted(submod)
	some reason in submod["ear.casemate.reasons"]
	reason.rule != "default_cpu: hardware"
}

reasons contains {
	"claim": sprintf("%s ear.status", [name]),
	"got": submod["ear.status"],
	"expected": "affirming, or a certified tpm with software and settings as expected",
	"rule": "resource policy local",
	"remedy": "Boot the image that was measured, in a VM whose TPM the platform certified.",
} if {
	some name, submod in input.submods
	not accepted(submod)
	soft := [reason |
		some reason in object.get(submod, "ear.casemate.reasons", [])
		reason.rule != "default_cpu: hardware"
	]
	count(soft) == 0
}
