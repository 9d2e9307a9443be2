// Package medspa holds the sample policy of a med spa, with bodies that its
// POS would send, for the demo and for tests. The files are there to be
// copied: start with rules.yaml.
package medspa

import "embed"

// Files are the sample, under the names that they have in this folder.
//
//go:embed chaperone.yaml rules.yaml rules_test.yaml catalogs bodies
var Files embed.FS

// What rules.yaml says where a real clinic says something else, so that a demo
// can put its own in their place: every text occurs in it exactly once.
const (
	ProcessorURL = "http://127.0.0.1:9101"
	EHRURL       = "http://127.0.0.1:9102"
	LedgerURL    = "http://127.0.0.1:9103"
	// FrontDeskKeySHA256 is the hash of no key that anybody has.
	FrontDeskKeySHA256 = "6f5b8c1d2a90e3474bd1c86a05f7e92c3d18ab64f05e79c2b3a6d7180e4f92c5"
	// The agreements, as lines of the destinations have them.
	ProcessorAgreement = "    agreement: {kind: DPA, reference: PP-2291, expires: 2031-03-31}\n"
	EHRAgreement       = "agreement: {kind: BAA, reference: EHR-7, expires: 2031-12-31}"
	// SchemaLine and TestsSchemaLine tell an editor of schemas that are beside
	// the sample alone. The latter is that of rules_test.yaml.
	SchemaLine      = "# yaml-language-server: $schema=../schema/rules.schema.json\n"
	TestsSchemaLine = "# yaml-language-server: $schema=../schema/tests.schema.json\n"
	// KeyComment says that nobody has the key.
	KeyComment = "    # The hash of a key that nobody has: make your own by\n    #   chaperone callers add front-desk\n"
)

// What both the policy and its tests say, and may say more than once.
const (
	// Caller is the name of the POS.
	Caller = "front-desk"
	// AfterAgreement is a day after the end of the record's agreement, in the
	// tests.
	AfterAgreement = "now: 2032-01-01"
	// CardToken stands in bodies/token-instead-of-card.json for a token, which
	// can only be made at run time.
	CardToken = "CARD_TOKEN"
)
