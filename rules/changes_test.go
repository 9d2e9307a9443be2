package rules

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// everything is a policy that uses nearly all there is.
func everything(t *testing.T) *Plan {
	t.Helper()
	src, err := os.ReadFile("testdata/changes/rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	p, ds := LoadBytes("rules.yaml", src, func(name string) ([]byte, error) {
		return os.ReadFile(filepath.Join("testdata/changes", name))
	})
	if p == nil {
		t.Fatal(ds)
	}
	return p
}

// derived are members of a plan that others decide, or that decide nothing.
var derived = map[string]bool{
	"Hash": true, "File": true, "Sources": true, "Position": true, "Depth": true, "Family": true, "Tag": true, "Steps": true, "Segments": true, "Rest": true,
	"SeesPHI": true, "Followed": true, "Places": true,
}

// TestNoChangeIsMissed changes every member of a plan, one at a time: each must
// be told.
func TestNoChangeIsMissed(t *testing.T) {
	p, q := everything(t), everything(t)
	if all := Changes(p, q); len(all) > 0 {
		t.Fatalf("the same policy has changes: %v", all)
	}
	tried := 0
	var walk func(at string, v reflect.Value)
	walk = func(at string, v reflect.Value) {
		try := func(change func()) {
			old := reflect.New(v.Type()).Elem()
			old.Set(v)
			change()
			tried++
			if len(changesUnless(p, q)) == 0 {
				t.Errorf("a change of %s is not told", at)
			}
			v.Set(old)
		}
		switch v.Kind() {
		case reflect.Pointer:
			if !v.IsNil() {
				walk(at, v.Elem())
			}
		case reflect.Struct:
			if v.Type() == reflect.TypeFor[time.Time]() {
				try(func() { v.Set(reflect.ValueOf(v.Interface().(time.Time).AddDate(1, 0, 0))) })
				return
			}
			for i := range v.NumField() {
				if name := v.Type().Field(i).Name; !derived[name] && !without(v.Interface(), name) && v.Type().Field(i).IsExported() {
					walk(at+"."+name, v.Field(i))
				}
			}
		case reflect.Slice, reflect.Array:
			for i := range v.Len() {
				walk(fmt.Sprintf("%s[%d]", at, i), v.Index(i))
			}
		case reflect.String:
			try(func() { v.SetString(v.String() + "x") })
		case reflect.Bool:
			try(func() { v.SetBool(!v.Bool()) })
		case reflect.Int, reflect.Int64, reflect.Int16, reflect.Int8, reflect.Int32:
			if !strings.HasSuffix(at, ".Parent") && !strings.HasSuffix(at, ".As") { // to others than there are
				try(func() { v.SetInt(flip(v.Int())) })
			}
		case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
			try(func() { v.SetUint(uint64(flip(int64(v.Uint())))) })
		default:
			t.Fatalf("%s is a %s: the walk does not know it", at, v.Kind())
		}
	}
	walk("plan", reflect.ValueOf(q).Elem())
	if tried < 200 {
		t.Errorf("only %d members were changed", tried)
	}
}

// without reports whether a member means nothing beside the others of its struct.
func without(v any, member string) bool {
	switch x := v.(type) {
	case LabelPath:
		return member == "Name" && x.Source == SourceBody || member == "Path" && x.Source != SourceBody
	case Leg:
		return member == "Class" && x.Items != ItemsClass
	case Scalar:
		return member == "Kind" && x.Kind == ScalarBool // its text says so
	case Route:
		return member == "Primary" // a leg says so
	}
	return false
}

// flip gives another index that is still one.
func flip(n int64) int64 {
	if n == 0 {
		return 1
	}
	return n - 1
}

// changesUnless is Changes, which a plan that could not be may put into a panic:
// that is as good as told.
func changesUnless(p, q *Plan) (all []Change) {
	defer func() {
		if recover() != nil {
			all = []Change{{}}
		}
	}()
	return Changes(p, q)
}

func TestChangesInWords(t *testing.T) {
	src, err := os.ReadFile("testdata/changes/rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	read := func(name string) ([]byte, error) { return os.ReadFile(filepath.Join("testdata/changes", name)) }
	for _, c := range []struct{ name, old, new, want string }{
		{"a clearance is narrowed", "sees: {phi: plain, pan: token}", "sees: {phi: plain}", "destination ehr: sees pan is gone, was token (stricter)"},
		{"a clearance is widened", "sees: {pan: mask}", "sees: {pan: token}", "destination ledger: sees pan was mask, is token (more open)"},
		{"a class gets another word", "[injectable, treatment, laser]", "[injectable, treatment]",
			"class clinical: items whose category is injectable | treatment is new; class clinical: items whose category is injectable | treatment | laser is gone"},
		{"a path is labelled", "paths: [patient, consent]", "paths: [patient, consent, note]", "label phi: path note is new"},
		{"a leg keeps less", "keep: [transaction_id, currency, totals.total, payment]", "keep: [transaction_id, totals.total, payment]", "leg checkout/processor: keeps currency is gone"},
		{"a secret is another", "{X-Api-Key: first}", "{X-Api-Key: second}", "destination processor: header X-Api-Key is another"},
		{"only the writing changes", "basket:\n", "# a remark\nbasket:\n", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if strings.Count(string(src), c.old) != 1 {
				t.Fatalf("%q is there %d times", c.old, strings.Count(string(src), c.old))
			}
			before, _ := LoadBytes("rules.yaml", src, read)
			after, ds := LoadBytes("rules.yaml", []byte(strings.Replace(string(src), c.old, c.new, 1)), read)
			if after == nil {
				t.Fatal(ds)
			}
			var lines []string
			for _, change := range Changes(before, after) {
				lines = append(lines, change.String())
			}
			if got := strings.Join(lines, "; "); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			for _, secret := range []string{"first", "second"} {
				if strings.Contains(strings.Join(lines, ""), secret) {
					t.Error("a secret is shown")
				}
			}
		})
	}
}
