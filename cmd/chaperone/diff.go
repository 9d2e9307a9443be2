package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"chaperone/proxy"
	"chaperone/rules"
	"chaperone/vault/keys"

	"github.com/spf13/cobra"
)

// diffOptions are the flags of diff.
type diffOptions struct {
	old, new, bodies, route, caller string
	asJSON                          bool
}

func newDiffCommand(a *app) *cobra.Command {
	var o diffOptions
	cmd := &cobra.Command{
		Use:   "diff OLD NEW",
		Short: "Say what another policy would change",
		Long: `Says in words what differs between two policies: labels, classes, destinations
and what they see, callers, routes and legs. "More open" and "stricter" tell
whether a party sees more than before or less. Policies that differ in their
writing alone have no difference: exit code 0; otherwise it is 3.

OLD and NEW are rules files. A proxy keeps every policy that was in force under
DATA/policies, by its hash, as the log names it.

With --bodies it also runs every *.json of a folder through both, as explain
does, and says which destination would get another body. --route names the route;
without it a body named ROUTE.json or ROUTE-anything.json is of that route, and
any other of the first.`,
		Example: `  chaperone diff rules.yaml rules.new.yaml
  chaperone diff data/policies/$(chaperone reload --json | jq -r .before)/rules.yaml rules.yaml
  chaperone diff rules.yaml rules.new.yaml --bodies samples --caller front-desk`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usageError(cmd, "diff needs two rules files")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.old, o.new = args[0], args[1]
			return diff(a, o)
		},
	}
	cmd.Flags().StringVar(&o.bodies, "bodies", "", "run the *.json of this `FOLDER` through both")
	cmd.Flags().StringVarP(&o.route, "route", "r", "", "the `ROUTE` of the bodies")
	cmd.Flags().StringVar(&o.caller, "caller", "", "the `CALLER` of the bodies; without it, one that may use the route")
	cmd.Flags().BoolVar(&o.asJSON, "json", false, "print one JSON document")
	return cmd
}

// difference is what diff prints with --json.
type difference struct {
	Old     string       `json:"old"` // hashes
	New     string       `json:"new"`
	Changes []changeJSON `json:"changes"`
	Bodies  []bodyChange `json:"bodies,omitempty"` // of those that would become something else
	Tried   int          `json:"bodies_tried,omitempty"`
}

type changeJSON struct {
	Subject string `json:"subject"`
	Aspect  string `json:"aspect,omitempty"`
	Old     string `json:"old,omitempty"`
	New     string `json:"new,omitempty"`
	Opens   int    `json:"opens,omitempty"` // 1: a party sees more than before; -1: less
}

// bodyChange is what becomes of one sample body.
type bodyChange struct {
	File  string   `json:"file"`
	Route string   `json:"route"`
	Says  []string `json:"changes"`
}

func diff(a *app, o diffOptions) error {
	var plans [2]*rules.Plan
	for i, file := range []string{o.old, o.new} {
		plan, _, ds := loadPolicy(file, nil)
		if plan == nil {
			writeDiagnostics(a.err, ds)
			return configError(ds, file)
		}
		plans[i] = plan
	}
	d := difference{Old: plans[0].Hash, New: plans[1].Hash, Changes: []changeJSON{}}
	changes := rules.Changes(plans[0], plans[1])
	for _, c := range changes {
		d.Changes = append(d.Changes, changeJSON(c))
	}
	if o.bodies != "" {
		var err error
		if d.Bodies, d.Tried, err = diffBodies(plans, o); err != nil {
			return err
		}
	}
	if err := a.showDifference(d, changes, o); err != nil {
		return err
	}
	if len(d.Changes)+len(d.Bodies) > 0 {
		return &failure{code: exitFindings}
	}
	return nil
}

func (a *app) showDifference(d difference, changes []rules.Change, o diffOptions) error {
	if o.asJSON {
		return writeJSON(a.out, d)
	}
	p := paletteFor(a.out)
	var b strings.Builder
	for _, c := range changes {
		line := oneLine(c.String())
		if c.Opens > 0 {
			line = p.yellow(line)
		}
		fmt.Fprintln(&b, line)
	}
	for _, body := range d.Bodies {
		fmt.Fprintf(&b, "\n%s, route %s\n", p.bold(body.File), body.Route)
		for _, s := range body.Says {
			fmt.Fprintf(&b, "  %s\n", oneLine(s))
		}
	}
	if len(changes)+len(d.Bodies) == 0 {
		b.WriteString("no difference\n")
	}
	if o.bodies != "" {
		fmt.Fprintf(&b, "\n%d of %s would become something else\n", len(d.Bodies), plural(d.Tried, "body"))
	}
	_, err := io.WriteString(a.out, strings.ReplaceAll(b.String(), "bodys", "bodies"))
	return err
}

// diffBodies runs sample bodies through both policies.
func diffBodies(plans [2]*rules.Plan, o diffOptions) (all []bodyChange, tried int, err error) {
	ring := keys.Ephemeral() // the same tokens and aliases on both sides
	defer ring.Close()
	files, err := filepath.Glob(filepath.Join(o.bodies, "*.json"))
	if err != nil || len(files) == 0 {
		return nil, 0, failed("name a folder with bodies as your POS sends them, in files *.json", "%s has no *.json", o.bodies)
	}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			return nil, 0, failed("", "%w", err)
		}
		route := o.route
		if route == "" {
			route = routeByName(file, plans[1])
		}
		change := bodyChange{File: file, Route: route}
		if change.Says, err = diffBody(plans, proxy.Sample{Route: route, Caller: o.caller, Body: body, Ring: ring}); err != nil {
			return nil, 0, failed("routes and callers are those of both policies", "%s: %w", file, err)
		}
		tried++
		if len(change.Says) > 0 {
			all = append(all, change)
		}
	}
	return all, tried, nil
}

// routeByName guesses the route of a body by the name of its file.
func routeByName(file string, p *rules.Plan) string {
	base := strings.TrimSuffix(filepath.Base(file), ".json")
	for i := range p.Routes {
		if name := p.Routes[i].Name; base == name || strings.HasPrefix(base, name+"-") {
			return name
		}
	}
	return p.Routes[0].Name
}

func diffBody(plans [2]*rules.Plan, sample proxy.Sample) (says []string, err error) {
	var of [2]*proxy.Explanation
	for i, plan := range plans {
		if of[i], err = proxy.Explain(plan, sample); err != nil {
			return nil, err
		}
	}
	if was, is := refusalOf(of[0]), refusalOf(of[1]); was != is {
		return []string{fmt.Sprintf("was %s, would be %s", was, is)}, nil
	}
	was, is := partiesOf(of[0]), partiesOf(of[1])
	for _, party := range of[1].Parties {
		name, now := party.Leg, is[party.Leg]
		before, there := was[name]
		switch {
		case !there:
			says = append(says, "leg "+name+" is new")
		case before.Skipped != now.Skipped:
			says = append(says, fmt.Sprintf("leg %s was %s, would be %s", name, sentOrNot(before), sentOrNot(now)))
		case before.Method+" "+before.URL != now.Method+" "+now.URL:
			says = append(says, fmt.Sprintf("leg %s went by %s %s, would go by %s %s", name, before.Method, before.URL, now.Method, now.URL))
		case !bytes.Equal(before.Body, now.Body):
			says = append(says, bodyDifference(name, before.Body, now.Body)...)
		}
	}
	for _, party := range of[0].Parties {
		if _, there := is[party.Leg]; !there {
			says = append(says, "leg "+party.Leg+" is gone")
		}
	}
	return says, nil
}

func refusalOf(e *proxy.Explanation) string {
	if e.Refusal == nil {
		return "forwarded"
	}
	return fmt.Sprintf("refused (%d %s)", e.Refusal.Code.Status(), e.Refusal.Code)
}

func partiesOf(e *proxy.Explanation) map[string]proxy.Party {
	all := map[string]proxy.Party{}
	for _, p := range e.Parties {
		all[p.Leg] = p
	}
	return all
}

func sentOrNot(p proxy.Party) string {
	if p.Skipped {
		return "not sent"
	}
	return "sent"
}

// bodyDifference says which members differ, by their paths: what stands there is
// not shown.
func bodyDifference(leg string, before, now []byte) (says []string) {
	was, is := leaves(before), leaves(now)
	for _, path := range slices.Sorted(maps.Keys(is)) {
		switch old, there := was[path]; {
		case !there:
			says = append(says, fmt.Sprintf("leg %s would get %s", leg, path))
		case old != is[path]:
			says = append(says, fmt.Sprintf("leg %s would get another %s", leg, path))
		}
	}
	for _, path := range slices.Sorted(maps.Keys(was)) {
		if _, there := is[path]; !there {
			says = append(says, fmt.Sprintf("leg %s would not get %s", leg, path))
		}
	}
	return says // none: the same, but for its writing
}

// leaves are the values of a body by their paths.
func leaves(body []byte) map[string]string {
	all := map[string]string{}
	var v any
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(&v); err != nil && !errors.Is(err, io.EOF) {
		return all
	}
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch x := v.(type) {
		case map[string]any:
			for name, member := range x {
				walk(strings.TrimPrefix(path+"."+name, "."), member)
			}
		case []any:
			for i, member := range x {
				walk(fmt.Sprintf("%s.%d", path, i), member)
			}
		default:
			all[path] = fmt.Sprint(x)
			if strings.HasPrefix(all[path], "tok_") {
				all[path] = "tok_" // made anew each time
			}
		}
	}
	walk("", v)
	return all
}
