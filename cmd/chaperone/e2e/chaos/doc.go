// Package chaos holds the proof of the promise: real Chaperone processes on a
// real Redis, or on the embedded store, between a POS that never gives up and
// receivers that count. While sales go through, whatever can die is killed,
// paused, cut off, slowed down or filled up, at random. At the end everything
// is healed, and the books are reconciled:
//
//   - a sale that the POS was told is released is in the record and in the
//     ledger, exactly once by key, and each got what it may see and no more;
//   - no sale was charged twice;
//   - no leg of a sale that was not charged was ever delivered;
//   - every request that a receiver saw, be it cut short, is of a decision in the
//     log;
//   - every chain of the log verifies;
//   - no card number, security code, name of a patient or of an item is in any
//     file, in what a process printed, or in its metrics.
//
// The flags of its test, after -args or as they are:
//
//	-chaos.sales N      sales to make (600)
//	-chaos.faults N     faults to inject (12)
//	-chaos.time D       how long they are spread over (16s)
//	-chaos.seed N       what the faults and sales are drawn from; 0 takes the
//	                    time. A run prints its own. Kinds, targets and lengths
//	                    follow from it, the interleaving does not
//	-chaos.report FILE  write the table of the run, as Markdown; into a page that
//	                    has the mark "<!-- chaos:", behind it
//
// `make chaos` is the full run: 20,000 sales and 200 faults or more. A run that
// fails prints, of each sale that is not as it should be, its entries in the log
// and what each receiver saw of it, and keeps its folder.
package chaos
