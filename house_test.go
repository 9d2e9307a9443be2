// Package chaperone holds no code: this test of the whole tree keeps its rooms
// apart. See docs/architecture.md for the picture that it enforces.
package chaperone

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"testing"
)

// rank orders the rooms: a room imports rooms of a lower rank only, or its own
// sub-rooms. The longest matching prefix counts.
var rank = map[string]int{
	"rules/reason":     -1,
	"rules/detect":     0,
	"rules/currency":   -1,
	"rules/yamlfile":   0,
	"rules/expression": 0,
	"rules/diag":       -1,
	"vault/ff1":        0,
	"vault/letters":    -1,
	"store":            0,
	"store/socket":     -1,
	"rules":            1,
	"rules/basket":     2,
	"rules/ruletest":   2,
	"audit":            2,
	"vault/keys":       2,
	"rules/rewrite":    3,
	"rules/propose":    4,
	"vault":            3,
	"proxy/admin":      4,
	"proxy":            5,
	"deploy":           5,
	"cmd/chaperone":    6,
	"bench":            6,
	"store/redistest":  6,
	"store/storetest":  6,
}

// strangers are pairs that may not meet although their ranks would allow it.
var strangers = map[string][]string{
	"rules/rewrite":  {"store", "audit", "vault"},
	"rules/ruletest": {"store", "audit", "vault"},
	"rules/propose":  {"store", "audit", "vault"},
	"vault":          {"rules"},
	"vault/keys":     {"rules", "audit", "store"},
	"audit":          {"rules", "vault"},
	"store":          {"rules", "vault", "audit"},
}

// homes says which rooms may import a module of others.
var homes = map[string][]string{
	"github.com/valyala/fasthttp":                 {"proxy", "bench"},
	"github.com/redis/go-redis/v9":                {"store"},
	"go.etcd.io/bbolt":                            {"store"},
	"github.com/hashicorp/vault":                  {"vault/keys"},
	"github.com/klauspost/compress":               {"audit"},
	"github.com/tink-crypto":                      {"vault"},
	"github.com/goccy/go-yaml":                    {"rules", "cmd"},
	"github.com/expr-lang/expr":                   {"rules/expression"},
	"github.com/cockroachdb/apd/v3":               {"rules/expression"},
	"github.com/prometheus/client_golang":         {"proxy/admin"},
	"github.com/tidwall/gjson":                    {"rules/rewrite", "cmd", "bench"},
	"github.com/tidwall/sjson":                    {"rules/rewrite", "cmd", "bench"},
	"github.com/spf13/cobra":                      {"cmd"},
	"github.com/hashicorp/vault/api/auth/approle": {"vault/keys"},
}

func under(room, prefix string) bool {
	return room == prefix || strings.HasPrefix(room, prefix+"/")
}

func roomOf(dir string) (string, bool) {
	best, found := "", false
	for room := range rank {
		if under(dir, room) && len(room) >= len(best) {
			best, found = room, true
		}
	}
	return best, found
}

// imports lists the non-test imports of every folder of Go code.
func imports(t *testing.T) map[string]map[string]bool {
	t.Helper()
	all := map[string]map[string]bool{}
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || name == "vault/keys/vaulttest/server"):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		dir := path.Dir(filepath.ToSlash(name))
		if all[dir] == nil {
			all[dir] = map[string]bool{}
		}
		for _, spec := range f.Imports {
			p, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			all[dir][p] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 10 {
		t.Fatalf("only %d folders of Go code were found", len(all))
	}
	return all
}

func TestImportsRunOneWay(t *testing.T) {
	for dir, imported := range imports(t) {
		from, ok := roomOf(dir)
		if !ok {
			t.Errorf("%s is in no room of the table", dir)
			continue
		}
		for p := range imported {
			target, ours := strings.CutPrefix(p, "chaperone/")
			if !ours {
				continue
			}
			to, ok := roomOf(target)
			switch {
			case !ok:
				t.Errorf("%s imports %s, which is in no room of the table", dir, target)
			case from == to || under(to, from) && !strings.HasSuffix(to, "test"):
				// A room and the sub-rooms below it.
			case rank[to] >= rank[from]:
				t.Errorf("%s imports %s: imports run one way", dir, target)
			}
			for _, s := range strangers[from] {
				if under(target, s) && target != "rules/reason" {
					t.Errorf("%s imports %s: these rooms do not know each other", dir, target)
				}
			}
		}
	}
}

func TestModulesHaveTheirHomes(t *testing.T) {
	for dir, imported := range imports(t) {
		for p := range imported {
			for module, rooms := range homes {
				if p != module && !strings.HasPrefix(p, module+"/") {
					continue
				}
				at := false
				for _, room := range rooms {
					at = at || under(dir, room)
				}
				if !at {
					sort.Strings(rooms)
					t.Errorf("%s imports %s, whose home is %s", dir, p, strings.Join(rooms, ", "))
				}
			}
		}
	}
}
