package audit

import (
	"fmt"
	"slices"
)

// Kind says what an entry records.
type Kind uint8

// The kinds. Their names are part of the format and never change.
const (
	KindStart    Kind = iota + 1 // a chain begins: the process is up
	KindStop                     // a chain ends as it should
	KindDecision                 // a request was decided; written before a byte leaves
	KindOutcome                  // the primary's outcome, with the answer's decisions
	KindDelivery                 // a queued leg reached its end, or was tried
	KindRefusal                  // a request was refused, nothing was forwarded
	KindDoubt                    // a sale is in doubt: its legs stay held
	KindReload                   // another plan is in force, or was refused
	KindAdmin                    // an operator did something
	KindLogRead                  // somebody reads this log, or the outbox
	KindMint                     // a token was made outside a request
	KindReveal                   // a token was revealed outside a request
	KindCut                      // the beginning of a chain was archived, and may be trimmed
	KindWitness                  // the signed head of another process's chain
	KindAlarm                    // the state is not what it should be; Reason says how
)

var kindNames = names[Kind]{what: "kind", of: []string{
	"", "start", "stop", "decision", "outcome", "delivery", "refusal", "doubt",
	"reload", "admin", "log_read", "mint", "reveal", "cut", "witness", "alarm",
}}

// Kinds returns the names of all kinds.
func Kinds() []string { return slices.Clone(kindNames.of[1:]) }

// String returns the name that the entry bears.
func (k Kind) String() string { return kindNames.name(k) }

// UnmarshalText reads the name of a kind.
func (k *Kind) UnmarshalText(b []byte) error { return kindNames.parse(k, b) }

// Result says how what an entry records ended.
type Result uint8

// The results. The zero Result means that the entry has none.
const (
	ResultNone      Result = iota
	ResultForwarded        // decided, and about to be forwarded
	ResultReleased         // success matched: the queued legs go
	ResultCancelled        // a readable answer that is no success
	ResultVoid             // provably no byte of the request was sent
	ResultUnknown          // timeout, reset, 5xx, unreadable: in doubt
	ResultRefused          // not done, by the policy or for want of a right
	ResultDelivered        // a queued leg was accepted
	ResultRetry            // a queued leg failed and is tried again later
	ResultDead             // a queued leg failed for good
	ResultDropped          // a queued leg was given up
	ResultParked           // a queued leg waits for the policy to allow it
	ResultReplayed         // the first answer was given again
	ResultOK               // done
	ResultFailed           // tried, and it did not work
	ResultPending          // the primary left the sale open: a later call decides
)

var resultNames = names[Result]{what: "result", of: []string{
	"", "forwarded", "released", "cancelled", "void", "unknown", "refused",
	"delivered", "retry", "dead", "dropped", "parked", "replayed", "ok", "failed", "pending",
}}

// String returns the name that the entry bears, "" for ResultNone.
func (r Result) String() string { return resultNames.name(r) }

// UnmarshalText reads the name of a result.
func (r *Result) UnmarshalText(b []byte) error { return resultNames.parse(r, b) }

// LegState says where a leg of a request stands.
type LegState uint8

// The states of a leg. The zero LegState means that the entry does not say.
const (
	LegUnsaid    LegState = iota
	LegPrimary            // called while the caller waits
	LegHeld               // stored, waits for the outcome
	LegQueued             // released, waits for its delivery
	LegSkipped            // not part of this request: no item of its class
	LegDelivered          // accepted
	LegDropped            // given up, by the outcome or by an operator
	LegDead               // failed for good
	LegParked             // waits for the policy to allow it
)

var legStateNames = names[LegState]{what: "leg state", of: []string{
	"", "primary", "held", "queued", "skipped", "delivered", "dropped", "dead", "parked",
}}

// String returns the name that the entry bears, "" for LegUnsaid.
func (s LegState) String() string { return legStateNames.name(s) }

// UnmarshalText reads the name of a leg's state.
func (s *LegState) UnmarshalText(b []byte) error { return legStateNames.parse(s, b) }

// Action says what somebody did or read, in entries of KindAdmin and
// KindLogRead.
type Action uint8

// The actions. The zero Action means that the entry has none.
const (
	ActionNone Action = iota
	ActionLogTail
	ActionLogFollow
	ActionLogVerify
	ActionOutboxList
	ActionOutboxDoubts
	ActionStatus
	ActionKeysInit
	ActionKeysList
	ActionKeysRotate
	ActionKeysRetire
	ActionKeysDestroy
	ActionKeysMigrate
	ActionTokenList
	ActionTokenRevoke
	ActionTokenScrub   // the store's files hold nothing of what was revoked
	ActionTokenRebuild // the index of known tokens, from this log
	ActionOutboxShow   // what is known of a leg, without its body
	ActionOutboxBody   // the body of a leg
	ActionOutboxRetry
	ActionOutboxDrop
	ActionDoubtResolve
	ActionLogArchive
	ActionLogExport
	ActionLogDisclosures
	ActionLogBreach
	ActionSubjectMerged     // a person was given two ids while the store was away
	ActionCertificateReload // a listener's certificates were read again
)

var actionNames = names[Action]{what: "action", of: []string{
	"", "log_tail", "log_follow", "log_verify", "outbox_list", "outbox_doubts", "status",
	"keys_init", "keys_list", "keys_rotate", "keys_retire", "keys_destroy", "keys_migrate",
	"token_list", "token_revoke", "token_scrub", "token_index_rebuild",
	"outbox_show", "outbox_body", "outbox_retry", "outbox_drop", "doubt_resolve",
	"log_archive", "log_export", "log_disclosures", "log_breach", "subject_merged",
	"certificate_reload",
}}

// String returns the name that the entry bears, "" for ActionNone.
func (a Action) String() string { return actionNames.name(a) }

// UnmarshalText reads the name of an action.
func (a *Action) UnmarshalText(b []byte) error { return actionNames.parse(a, b) }

// names holds the texts of an enumeration, by value. The empty text stands for
// the zero value, which is never written.
type names[T ~uint8] struct {
	what string
	of   []string
}

func (n *names[T]) name(v T) string {
	if int(v) < len(n.of) {
		return n.of[v]
	}
	return fmt.Sprintf("%s(%d)", n.what, uint8(v))
}

func (n *names[T]) parse(v *T, b []byte) error {
	for i, name := range n.of {
		if name != "" && name == string(b) {
			*v = T(i)
			return nil
		}
	}
	return fmt.Errorf("audit: unknown %s", n.what)
}
