package store

import (
	"hash/maphash"
	"time"
)

// Nearly every claim has its outcome within a moment, and then is in Doubt for
// nothing: its addition there and its removal are half of what the queues cost.
// So the committer holds an addition back for a while, and where the removal
// comes in that time, neither is sent. It is sent at once with whatever says
// that the outcome is not known, or open.
//
// Doubt is an index. What a process that dies has not added to it is found by
// Rebuild, in the claims: those are evidence, and are never held back.

// heldBack are the members of Doubt that were not added yet, in two
// generations: all of the older are added at once. Their memory is used again.
// The committer's lock guards it.
type heldBack struct {
	after time.Duration // of a generation
	seed  maphash.Seed
	parts [2]heldPart // the newer and the older
}

type heldPart struct {
	since time.Time
	text  []byte // members, one after the other
	at    map[uint64]heldMember
}

type heldMember struct {
	from, size int
	score      int64
}

func newHeldBack(after time.Duration) *heldBack {
	return &heldBack{after: after, seed: maphash.MakeSeed(), parts: [2]heldPart{{at: map[uint64]heldMember{}}, {at: map[uint64]heldMember{}}}}
}

// find gives the generation that has a member; nil: none.
func (h *heldBack) find(hash uint64, member string) *heldPart {
	for i := range h.parts {
		p := &h.parts[i]
		if m, ok := p.at[hash]; ok && string(p.text[m.from:m.from+m.size]) == member {
			return p
		}
	}
	return nil
}

// hold keeps a member for later, unless another is in its place.
func (h *heldBack) hold(member string, score int64, now time.Time) bool {
	hash := maphash.String(h.seed, member)
	if h.find(hash, member) != nil {
		return true
	}
	p := &h.parts[0]
	if _, taken := p.at[hash]; taken {
		return false
	}
	if len(p.at) == 0 {
		p.since, p.text = now, p.text[:0]
	}
	p.at[hash] = heldMember{len(p.text), len(member), score}
	p.text = append(p.text, member...)
	return true
}

// forget takes a member out, and gives its score.
func (h *heldBack) forget(member string) (score int64, ok bool) {
	hash := maphash.String(h.seed, member)
	p := h.find(hash, member)
	if p == nil {
		return 0, false
	}
	score = p.at[hash].score
	delete(p.at, hash)
	return score, true
}

// due tells whether members have to be added now.
func (h *heldBack) due(now time.Time) bool {
	for i := range h.parts {
		if p := &h.parts[i]; len(p.at) > 0 && now.Sub(p.since) >= time.Duration(i+1)*h.after {
			return true
		}
	}
	return false
}

// take appends the additions of what is due, or of all.
func (h *heldBack) take(cmds []Command, now time.Time, all bool) []Command {
	for range h.parts {
		if !all && !h.due(now) {
			break
		}
		old := h.parts[1]
		for hash, m := range old.at {
			cmds = append(cmds, Command{Kind: QueueAdd, Queue: Doubt, Member: string(old.text[m.from : m.from+m.size]), Score: m.score})
			delete(old.at, hash)
		}
		h.parts[1] = h.parts[0]
		h.parts[0] = heldPart{text: old.text[:0], at: old.at}
	}
	return cmds
}

// adding appends to a batch's groups what of a unit's commands is to be sent
// now. The lock is held.
func (c *Committer) adding(b *outgoing, cmds []Command) {
	if c.held == nil {
		if len(cmds) > 0 {
			b.Groups = append(b.Groups, cmds)
		}
		return
	}
	begin := 0
	for i := range cmds {
		cmd := &cmds[i]
		switch {
		case cmd.Kind == QueueAdd && cmd.Queue == Doubt:
			if !c.held.hold(cmd.Member, cmd.Score, b.first) {
				continue
			}
		case cmd.Kind == QueueRemove && cmd.Queue == Doubt:
			if _, ok := c.held.forget(cmd.Member); !ok {
				continue
			}
		case cmd.Kind.once() || cmd.Kind == Set:
			b.added = c.opened(b.added, cmd.Key)
			continue
		default:
			continue
		}
		cmd.reset()
		if i > begin {
			b.Groups = append(b.Groups, cmds[begin:i])
		}
		begin = i + 1
	}
	if begin < len(cmds) {
		b.Groups = append(b.Groups, cmds[begin:])
	}
}

// opened appends the addition of a claim of which a register says that it has
// no outcome yet, for somebody will look for it.
func (c *Committer) opened(added []Command, key string) []Command {
	ref, sort, ok := RefOf(key)
	if !ok || (sort != 'u' && sort != 'p' && sort != 'r') {
		return added
	}
	member := DoubtMember(ref.K, ref.A)
	if score, ok := c.held.forget(member); ok {
		added = append(added, Command{Kind: QueueAdd, Queue: Doubt, Member: member, Score: score})
	}
	return added
}
