package rules

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"chaperone/rules/yamlfile"
)

// Load reads a policy file, and the word lists beside it, and compiles it. The
// plan is nil if and only if the diagnostics have an error; they hold all that
// is wrong, in order of place. Files that hold secrets are named by the plan
// and not opened here.
func Load(file string) (*Plan, Diagnostics) {
	src, err := os.ReadFile(file)
	if err != nil {
		return nil, Diagnostics{{
			Position: Position{File: file}, Code: "file_unreadable",
			Message: "the file cannot be read: " + pathless(err), Hint: "check its name, and who may read it",
		}}
	}
	dir := filepath.Dir(file)
	return LoadBytes(file, src, func(name string) ([]byte, error) { return os.ReadFile(resolve(dir, name)) })
}

// LoadBytes compiles the text of a policy file whose name is file. The word
// lists that it names are read by readFile, under the names as written; nil
// means that there are none. Otherwise it is as Load.
func LoadBytes(file string, src []byte, readFile func(name string) ([]byte, error)) (*Plan, Diagnostics) {
	return load(file, src, readFile, time.Now())
}

func load(file string, src []byte, readFile func(name string) ([]byte, error), now time.Time) (*Plan, Diagnostics) {
	if readFile == nil {
		readFile = func(string) ([]byte, error) { return nil, fs.ErrNotExist }
	}
	l := &loader{
		file: file, read: readFile, now: now, diags: new(Diagnostics),
		plan: &Plan{File: file}, files: map[string][]byte{},
		labelNodes: map[LabelID]yamlfile.Node{}, lostLabel: map[LabelID]bool{},
	}
	root := yamlfile.Parse(file, src, l.diags).Shaped(policyShape)
	if root.Written() {
		l.policy(root.Map())
	}
	l.diags.Sort()
	*l.diags = slices.Compact(*l.diags) // a node that was read twice complains twice
	if l.diags.HasErrors() {
		return nil, *l.diags
	}
	l.plan.Hash = l.hash(src)
	l.plan.Sources = []PolicyFile{{Name: filepath.Base(file), Text: src}}
	for _, name := range slices.Sorted(maps.Keys(l.files)) {
		l.plan.Sources = append(l.plan.Sources, PolicyFile{Name: name, Text: l.files[name]})
	}
	return l.plan, *l.diags
}

// loader compiles one file. The nodes that it keeps are for the checks that
// can be made only when the whole policy is known.
type loader struct {
	file  string
	read  func(string) ([]byte, error)
	now   time.Time
	diags *Diagnostics
	plan  *Plan

	files        map[string][]byte // word lists by their name in the policy
	labelNodes   map[LabelID]yamlfile.Node
	basket       basketNodes
	destinations []destinationNodes
	routes       []routeNodes
	callers      []callerNodes

	// What was meant and could not be read: nothing is called unused that it
	// may have meant.
	lostLabel map[LabelID]bool // what a label says
	lostLeg   bool             // a leg's destination
	lostRoute bool             // a caller's route
}

func (l *loader) policy(m *yamlfile.Map) {
	l.labels(m.Get("labels"))
	l.readBasket(m.Get("basket"))
	l.readDestinations(m.Require("destinations", "name at least one system that requests go to"))
	callers := m.Get("callers")
	l.identify(m.Get("identify"), callers.Written())
	l.readRoutes(m.Require("routes", "write at least one route: what comes in, and which legs it becomes"))
	l.readCallers(callers)
	m.Done()
	l.resolveFollows()
	l.readExpressions()

	l.checkLabels()
	l.checkGeneralizations()
	l.checkDestinations()
	l.checkClasses()
	l.checkRoutes()
	l.checkWays()
	l.checkPending()
	l.checkFollows()
	l.checkCallers()
	l.checkScopes()
}

// hash identifies the policy by all texts that decide what it does.
func (l *loader) hash(src []byte) string {
	h := sha256.New()
	write := func(b []byte) {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(b))))
		h.Write(b)
	}
	write(src)
	for _, name := range slices.Sorted(maps.Keys(l.files)) {
		write([]byte(name))
		write(l.files[name])
	}
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(h.Sum(nil)))
}

// warnAt records a warning at a place that no node stands for.
func (l *loader) warnAt(at Position, code, message, hint string) {
	l.diags.Add(Diagnostic{Position: at, Severity: Warning, Code: code, Message: message, Hint: hint})
}

func (l *loader) failAt(at Position, code, message, hint string) {
	l.diags.Add(Diagnostic{Position: at, Severity: Error, Code: code, Message: message, Hint: hint})
}

// nameShape keeps names fit for headers, metrics, log entries and keys.
var nameShape = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,62}$`)

// checkName reports a name that cannot be one.
func (l *loader) checkName(at Position, what, name string) bool {
	if nameShape.MatchString(name) {
		return true
	}
	l.failAt(at, "bad_name", fmt.Sprintf("%q cannot be the name of a %s", name, what),
		"begin with a letter and use letters, digits, - and _, at most 63")
	return false
}

// undefined reports a reference to what the policy does not have.
func (l *loader) undefined(n yamlfile.Node, code, what, name string, known []string) {
	l.undefinedAt(n.Position(), code, what, name, known)
}

// undefinedAt is undefined for a name that is a key.
func (l *loader) undefinedAt(at Position, code, what, name string, known []string) {
	hint := yamlfile.Suggest(name, known)
	switch {
	case hint != "":
	case len(known) == 0:
		hint = "the policy has none"
	case len(known) > 12:
		hint = "define it first"
	default:
		hint = "there are: " + strings.Join(known, ", ")
	}
	l.failAt(at, code, fmt.Sprintf("there is no %s %q", what, name), hint)
}

// path reads a path pattern. Exact ones may hold no wildcard.
func (l *loader) path(n yamlfile.Node, exact bool) (Path, bool) {
	text, ok := n.Text()
	if !ok {
		return Path{}, false
	}
	if strings.HasPrefix(text, "@") {
		n.Fail("bad_path", fmt.Sprintf("%q is not part of the body", text), `only a label's paths may begin with @; write \@ for a member whose name does`)
		return Path{}, false
	}
	p, err := ParsePath(text)
	if err != nil {
		n.Fail("bad_path", fmt.Sprintf("%q is not a path: %s", text, err), "write member names with dots between, # for every element, * for every member, **. in front for any depth")
		return Path{}, false
	}
	if exact && !p.Exact() {
		n.Fail("path_not_exact", fmt.Sprintf("%s must name one place, and %q is a pattern", n.Name(), text), "write the path without #, * and **")
		return Path{}, false
	}
	return p, true
}

// optionalPath reads an exact path where one is written.
func (l *loader) optionalPath(n yamlfile.Node) *Path {
	if !n.Written() {
		return nil
	}
	p, ok := l.path(n, true)
	if !ok {
		return nil
	}
	return &p
}

// paths reads a list of patterns, or one of them.
func (l *loader) paths(nodes []yamlfile.Node) []Path {
	seen := map[string]bool{}
	var paths []Path
	for _, n := range nodes {
		p, ok := l.path(n, false)
		if !ok {
			continue
		}
		if seen[p.Source] {
			n.Warn("path_twice", fmt.Sprintf("%q is listed twice", p.Source), "remove one of them")
			continue
		}
		seen[p.Source] = true
		paths = append(paths, p)
	}
	return paths
}

// pathless is the reason of a file error without the file's name, which the
// diagnostic has already.
func pathless(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	return err.Error()
}

// resolve returns a file's name as seen from dir.
func resolve(dir, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(dir, name)
}
