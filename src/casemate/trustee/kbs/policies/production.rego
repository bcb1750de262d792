# Resources only where every verdict is affirming: real hardware, known software, right settings.
package policy

import rego.v1

default allow := false

allow if {
	data.plugin == "resource"
	count(input.submods) > 0
	every submod in input.submods { submod["ear.status"] == "affirming" }
}

reasons contains reason if {
	some submod in input.submods
	submod["ear.status"] != "affirming"
	some reason in submod["ear.casemate.reasons"]
}

reasons contains {
	"claim": sprintf("%s ear.status", [name]),
	"got": submod["ear.status"],
	"expected": "affirming",
	"rule": "resource policy production: every verdict affirming",
	"remedy": "Run on hardware and software that the Trustee's reference values know.",
} if {
	some name, submod in input.submods
	submod["ear.status"] != "affirming"
	count(object.get(submod, "ear.casemate.reasons", [])) == 0
}
