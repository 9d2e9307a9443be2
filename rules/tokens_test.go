package rules

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// tokenPolicy is a policy with some labels, callers and settings of a route.
func tokenPolicy(labels, callers, route string) []byte {
	return []byte("labels:\n" + labels + `
destinations:
  till: {url: "https://till.example"}
routes:
  - name: sale
    match: {method: POST, path: /sale}` + route + `
    legs:
      - {to: till, primary: true, keep: [id], success: http}
` + callers)
}

func loadTokens(t *testing.T, src []byte) *Plan {
	t.Helper()
	plan, ds := LoadBytes("rules.yaml", src, nil)
	if plan == nil {
		t.Fatalf("%v", ds)
	}
	return plan
}

func TestTokenOptions(t *testing.T) {
	for _, c := range []struct {
		name, label, token string
		format             TokenFormat
		want               Vaulted
	}{
		{"none written", "pan", "", FormatPAN, Vaulted{}},
		{"the name alone, for cards", "pan", "vaulted", FormatVaulted, Vaulted{Keep: KeepLast4}},
		{"the name alone, for the rest", "phi", "vaulted", FormatVaulted, Vaulted{}},
		{"all options", "pan", "{format: vaulted, keep: bin6+last4, luhn: fail, ttl: 90d}", FormatVaulted, Vaulted{Keep: KeepBIN6Last4, TTL: 90 * 24 * time.Hour}},
		{"satisfies Luhn", "pan", "{format: vaulted, keep: last4, luhn: valid}", FormatVaulted, Vaulted{Keep: KeepLast4, Luhn: true}},
		{"opaque for cards", "pan", "{format: vaulted, keep: none}", FormatVaulted, Vaulted{}},
		{"a kind of card", "pan.fleet", "vaulted", FormatVaulted, Vaulted{Keep: KeepLast4}},
		{"a life alone", "phi", "{format: vaulted, ttl: 24h}", FormatVaulted, Vaulted{TTL: 24 * time.Hour}},
		{"stateless, as a mapping", "pan", "{format: sealed}", FormatSealed, Vaulted{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			line := "  " + c.label + ": {paths: [a]"
			if c.token != "" {
				line += ", token: " + c.token
			}
			plan := loadTokens(t, tokenPolicy(line+"}", "", ""))
			label := plan.Labels[plan.Label(c.label)]
			if label.Format != c.format || label.Vaulted != c.want {
				t.Errorf("%s %+v, want %s %+v", label.Format, label.Vaulted, c.format, c.want)
			}
		})
	}
}

func TestScopesRightsLimits(t *testing.T) {
	const hash = "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0"
	callers := "callers:\n" +
		"  plain: {key_sha256: " + hash + "1, routes: [sale]}\n" +
		"  north: {key_sha256: " + hash + "2, routes: [sale], scope: north, limits: {mints_per_day: 7, reveals_per_day: 0, failed_reveals_per_hour: 1}}\n" +
		"  desk: {key_sha256: " + hash + "3, scope: north, tokens: [make, reveal, batch]}\n" +
		"  clerk: {key_sha256: " + hash + "4, tokens: list}\n"
	plan := loadTokens(t, tokenPolicy("  pan: {paths: [a]}", callers, ""))
	if got := []string{plan.Scope(0, 0), plan.Scope(1, 0), plan.Scope(2, -1), plan.Scope(-1, -1)}; !slices.Equal(got, []string{"default", "north", "north", "default"}) {
		t.Errorf("scopes %v", got)
	}
	if got := plan.Scopes(); !slices.Equal(got, []string{"default", "north"}) {
		t.Errorf("all scopes %v", got)
	}
	if c := plan.Callers[0]; c.Limits != defaultCallerLimits || c.Tokens != 0 {
		t.Errorf("defaults: %+v %v", c.Limits, c.Tokens)
	}
	if c := plan.Callers[1]; c.Limits != (CallerLimits{7, 0, 1}) {
		t.Errorf("limits: %+v", c.Limits)
	}
	if c := plan.Callers[2]; !c.Tokens.Has(RightMake|RightReveal|RightBatch) || c.Tokens.Has(RightRevoke) || c.Tokens.Has(RightList) || c.mayCall(0) {
		t.Errorf("rights: %b", c.Tokens)
	}
	if plan.Callers[3].Tokens != RightList {
		t.Errorf("rights: %b", plan.Callers[3].Tokens)
	}
	routed := loadTokens(t, tokenPolicy("  pan: {paths: [a]}", strings.Replace(callers, "routes: [sale], scope: north", "routes: [sale], scope: site-b", 1), "\n    scope: site-b"))
	if routed.Scope(0, 0) != "site-b" || routed.Scope(1, 0) != "site-b" {
		t.Errorf("the route's scope is %s", routed.Scope(0, 0))
	}
}
