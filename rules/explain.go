package rules

import (
	_ "embed"
	"slices"
	"strings"

	"chaperone/rules/diag"
)

// Sample is the policy of which the examples of Explanations are lines. There
// is nothing to say about it.
//
//go:embed explain_sample.yaml
var Sample string

// Explanations returns what there is to say about each code of a policy file,
// in the order of the codes.
func Explanations() []diag.Explanation {
	all := slices.Concat(explainFile, explainValues, explainLabels, explainBasket, explainParties, explainRoutes, explainLegs, explainExpressions, explainFollows)
	slices.SortFunc(all, func(a, b diag.Explanation) int { return strings.Compare(a.Code, b.Code) })
	return all
}
