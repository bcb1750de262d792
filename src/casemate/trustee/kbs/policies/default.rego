# Upstream's default: resources, to anything but the sample TEE. It does not look at the verdict.
package policy

import rego.v1

default allow := false

allow if {
	data.plugin == "resource"
	not input.submods.cpu0["ear.veraison.annotated-evidence"].sample
	input.submods.cpu0
}
