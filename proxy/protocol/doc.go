// Package protocol holds the argument that claims, outcomes and deliveries are
// right: a model of what the proxies, the store, the primary, an operator and
// one queued leg do with one idempotency key, small enough that every order of
// its steps can be tried, with a crash, a pause or a lost answer between any
// two of them. Its tests are all there is in it.
//
// The model is no test of the code. It says which rules the code has to keep,
// and that none of them can be left out: for each there is a test that leaves
// it out and must find the harm. A rule that is added to the protocol is added
// here first.
//
// One step is one round trip to the store, or one call. Two proxies share the
// store. Up to three requests arrive, at either: a sale, its repeat, and a
// repeat with another card. What is promised:
//
//   - no card is charged twice
//   - an attempt that was charged is never void, and one that is released was
//     charged
//   - a leg is delivered only where its sale is released, and then it is
//   - no caller is told of a sale that did not happen, nor the other way round
//   - nothing stays open for ever, if somebody answers for what is in doubt
//
// What it leaves out: a call of the primary that is still on its way when the
// operator asks the processor. That is why a sale that is being sent again
// cannot be resolved, and why an operator has to wait for the processor's own
// timeouts before he says that it was not charged.
package protocol
