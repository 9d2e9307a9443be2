package rules

import (
	"fmt"
	"time"

	"chaperone/rules/yamlfile"
)

// The bounds of a vaulted token's life.
const (
	minTokenTTL = time.Minute
	maxTokenTTL = 3650 * 24 * time.Hour
)

// tokenFormat reads the format of a label's tokens: its name, or its name with
// options.
func (l *loader) tokenFormat(id LabelID, n yamlfile.Node) {
	if !n.Written() {
		return
	}
	label := &l.plan.Labels[id]
	if l.plan.inFamily(id, labelSAD) {
		n.Fail("sad_token", "sensitive authentication data must never become a token", "remove the key; sad may be plain, drop or block")
		return
	}
	format, m := n, (*yamlfile.Map)(nil)
	if n.Kind() == yamlfile.Mapping {
		m = n.Map()
		format = m.Require("format", "name the token format: pan, sealed or vaulted")
	}
	if format.Written() {
		l.formatName(id, format)
	}
	if label.Format == FormatVaulted && l.plan.inFamily(id, labelPAN) {
		label.Vaulted.Keep = KeepLast4
	}
	if m != nil {
		l.tokenOptions(id, m)
		m.Done()
	}
}

func (l *loader) formatName(id LabelID, n yamlfile.Node) {
	label := &l.plan.Labels[id]
	name, ok := n.Text()
	switch {
	case !ok:
	case name == string(FormatAlias):
		n.Fail("unknown_token_format", "alias is a form and no token format", "write alias under a destination's sees")
	case name == string(FormatPAN) && !l.plan.inFamily(id, labelPAN):
		n.Fail("token_format_label", fmt.Sprintf("tokens of format pan stand for card numbers, and %s is none", label.Name), "use sealed")
	case name == string(FormatPAN) || name == string(FormatSealed) || name == string(FormatVaulted):
		label.Format = TokenFormat(name)
	default:
		hint := yamlfile.Suggest(name, tokenFormats)
		if hint == "" {
			hint = "use one of: pan, sealed, vaulted"
		}
		n.Fail("unknown_token_format", fmt.Sprintf("there is no token format %q", name), hint)
	}
}

// tokenOptions reads what a vaulted token looks like and how long it lives.
func (l *loader) tokenOptions(id LabelID, m *yamlfile.Map) {
	label := &l.plan.Labels[id]
	keep, luhn, ttl := m.Get("keep"), m.Get("luhn"), m.Get("ttl")
	if label.Format != FormatVaulted {
		if keep.Written() {
			word, _ := keep.Text()
			if word == "bin6+last4" {
				keep.Fail("token_bin_stateless", fmt.Sprintf("a token of format %s cannot keep the BIN: too few digits would be left to encrypt", label.Format), "use format: vaulted, which is random and stored")
			} else {
				keep.Fail("token_option", fmt.Sprintf("keep is an option of vaulted tokens, and these are of format %s", label.Format), "use format: vaulted, or remove it")
			}
		}
		for _, option := range []yamlfile.Node{luhn, ttl} {
			if option.Written() {
				option.Fail("token_option", fmt.Sprintf("%s is an option of vaulted tokens, and these are of format %s", option.Name(), label.Format), "use format: vaulted, or remove it")
			}
		}
		return
	}
	if ttl.Written() {
		label.Vaulted.TTL = ttl.Span()
	}
	for _, option := range []yamlfile.Node{keep, luhn} {
		if option.Written() && !l.plan.inFamily(id, labelPAN) {
			option.Fail("token_option", fmt.Sprintf("%s is for card numbers, and %s is none", option.Name(), label.Name), "remove it: the tokens are opaque ids")
			return
		}
	}
	if keep.Written() {
		if word, ok := keep.Word(); ok {
			label.Vaulted.Keep = map[string]Keep{"bin6+last4": KeepBIN6Last4, "last4": KeepLast4, "none": KeepNothing}[word]
		}
	}
	if luhn.Written() {
		word, _ := luhn.Word()
		label.Vaulted.Luhn = word == "valid"
	}
	if label.Vaulted.Luhn && label.Vaulted.Keep != KeepLast4 {
		luhn.Fail("token_option", "a token that satisfies Luhn begins with digits that no issuer has, so it cannot keep the BIN", "use keep: last4, or luhn: fail")
	}
}
