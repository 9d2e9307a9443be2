package expression

import (
	"errors"
	"strings"
	"sync"

	"github.com/expr-lang/expr/vm"
)

// Source looks up what an expression reads, by the index of the Read. An error
// leaves the expression undecided; it holds nothing of a value.
type Source interface {
	// Text returns a text, which is not changed afterwards.
	Text(read int) (string, error)
	Decimal(read int) (*Decimal, error)
	Flag(read int) (bool, error)
	// Places returns how many places behind the point amounts have: none where
	// they are whole numbers of minor units, else those of the currency.
	Places() (int, error)
}

// Program is a compiled expression. It is immutable and safe for concurrent
// use.
type Program struct {
	Source string // as it was written
	Type   Type
	Reads  []Read
	code   *vm.Program
}

// Value is what an expression came out as: the member that its Type names.
type Value struct {
	Type    Type
	Flag    bool
	Text    string
	Decimal *Decimal // Number and Money
}

// Errors of Run, besides those of the Source and ErrRange.
var (
	// ErrTooLong says that a text grew longer than MaxText.
	ErrTooLong = errors.New("a text is too long")
	// ErrFault says that the program stopped as it should not.
	ErrFault = errors.New("the expression could not be run")
)

// MaxText bounds a text that is read or made, in bytes.
const MaxText = 64 << 10

// budget bounds what the machine may allocate for lists, of which the language
// has none.
const budget = 10_000

// machines are idle ones. They hold nothing of what they ran.
var machines = sync.Pool{New: func() any { return &vm.VM{MemoryBudget: budget} }}

// Run runs the program on the values of one request. The error says why the
// expression is undecided, and holds nothing of a value.
func (p *Program) Run(src Source) (Value, error) {
	m := machines.Get().(*vm.VM)
	out, err := m.Run(p.code, src)
	clear(m.Stack[:cap(m.Stack)])
	machines.Put(m)
	if err != nil {
		return Value{}, cause(err)
	}
	v := Value{Type: p.Type}
	ok := false
	switch p.Type {
	case Flag:
		v.Flag, ok = out.(bool)
	case Text:
		v.Text, ok = out.(string)
	default:
		v.Decimal, ok = out.(*Decimal)
	}
	if !ok {
		return Value{}, ErrFault
	}
	return v, nil
}

// cause returns what stopped a program. The machine's own errors may speak of
// values, and are left out.
func cause(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			break
		}
		err = inner
	}
	var known *Missing
	if errors.As(err, &known) || err == ErrRange || err == ErrTooLong {
		return err
	}
	return ErrFault
}

// Missing is why a Source has no value for a Read: a fixed text.
type Missing struct{ Why string }

// Error returns the reason.
func (m *Missing) Error() string { return m.Why }

// Constant reports whether the program reads nothing, so that it always comes
// out the same.
func (p *Program) Constant() bool { return len(p.Reads) == 0 }

// String returns the program's text on one line.
func (p *Program) String() string { return strings.Join(strings.Fields(p.Source), " ") }
