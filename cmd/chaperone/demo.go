package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// demoOptions are the flags of demo.
type demoOptions struct {
	data          string
	once, asJSON  bool
	listen, admin string
	receivers     string // alone, from this address on; empty: the whole demo
}

// demo is the sample med spa on loopback: three stand-in receivers, the proxy
// on the embedded store, and the key of its one caller.
type demo struct {
	a         *app
	key       string // of the POS
	data      string // store, log and keyring
	folder    string // the sample's files, below data
	receivers map[string]*receiver
	proxy     *running
	client    *http.Client

	card  string // the test card number of the case
	keyed string // that of the first case
	token string // of that card, minted by the first case
}

func newDemoCommand(a *app) *cobra.Command {
	var o demoOptions
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show a few sales on their way through the proxy, on this machine",
		Long: `Starts the sample med spa: three stand-in receivers (card processor, patient
record, sales ledger) and the proxy before them, all on loopback, with an
embedded store in a temporary folder. It posts a few sales, shows what every
party got, and stays up for you to try. Nothing leaves this machine.

With --receivers it is the three stand-ins alone, at the addresses that
'chaperone init' writes, for a proxy that you run beside them.`,
		Example: `  chaperone demo
  chaperone demo --receivers
  chaperone demo --once --json | jq '.cases[0].received.ledger'`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.asJSON && !o.once {
				return usageError(cmd, "--json needs --once")
			}
			if o.receivers != "" {
				return playReceivers(cmd.Context(), a, o.receivers)
			}
			return runDemo(cmd.Context(), a, o)
		},
	}
	cmd.Flags().BoolVar(&o.once, "once", false, "end after the round")
	cmd.Flags().BoolVar(&o.asJSON, "json", false, "print the round as one JSON document (with --once)")
	cmd.Flags().StringVar(&o.data, "data", "", "keep store, log and keyring in this `FOLDER`, not in a temporary one")
	cmd.Flags().StringVar(&o.listen, "listen", "127.0.0.1:0", "loopback `ADDRESS` of the proxy; port 0 takes a free one")
	cmd.Flags().StringVar(&o.admin, "admin", "127.0.0.1:0", "loopback `ADDRESS` of metrics and health")
	cmd.Flags().StringVar(&o.receivers, "receivers", "", "only the three stand-ins, on `ADDRESS` and the two ports after it")
	cmd.Flags().Lookup("receivers").NoOptDefVal = standInsAt
	return cmd
}

func runDemo(ctx context.Context, a *app, o demoOptions) (err error) {
	if err := harden(); err != nil {
		return failed("", "%w", err)
	}
	for _, address := range []string{o.listen, o.admin} {
		if !loopback(address) {
			return failed("the demo is for this machine alone: take a port of 127.0.0.1", "%s is not a loopback address", address)
		}
	}
	ctx, stop := stoppable(ctx)
	defer stop()
	// A pipe that breaks is an error of a write, so that the temporary folder
	// goes whatever happens.
	signal.Ignore(syscall.SIGPIPE)
	d := &demo{a: a, data: o.data, receivers: map[string]*receiver{}}
	if d.data == "" {
		if d.data, err = os.MkdirTemp("", "chaperone-demo-"); err != nil {
			return failed("", "the demo needs a temporary folder: %w", err)
		}
		defer os.RemoveAll(d.data)
	}
	defer func() {
		if ended := d.close(); err == nil {
			err = ended
		}
	}()
	if err := d.start(ctx, o); err != nil {
		return err
	}
	results, err := d.round(ctx, o)
	switch {
	case ctx.Err() != nil:
		return nil // told to stop
	case err != nil:
		return err
	case o.asJSON:
		return writeJSON(a.out, demoJSON{results})
	case o.once:
		return nil
	}
	return d.stay(ctx)
}

// demoJSON is what --once --json prints.
type demoJSON struct {
	Cases []*caseResult `json:"cases"`
}

// start brings up the receivers, and the proxy on the sample's own files.
func (d *demo) start(ctx context.Context, o demoOptions) error {
	for name, answer := range map[string]func([]byte) (int, any){
		"processor": answerProcessor, "ehr": answerEHR, "ledger": answerLedger,
	} {
		r, err := startReceiver(name, anyPort, answer)
		if err != nil {
			return failed("", "%w", err)
		}
		d.receivers[name] = r
	}
	file, err := d.install(o)
	if err != nil {
		return failed("", "the sample cannot be written: %w", err)
	}
	p, err := d.a.openPolicy(file)
	if err != nil {
		return err
	}
	d.client = &http.Client{Transport: &http.Transport{DisableCompression: true}}
	d.proxy, err = start(ctx, p, d.a.logger(p.cfg.log.slogLevel(), p.cfg.log.json))
	return err
}

// close ends what start began.
func (d *demo) close() (err error) {
	if d.client != nil {
		d.client.CloseIdleConnections()
	}
	if d.proxy != nil {
		err = d.proxy.stop()
	}
	for _, r := range d.receivers {
		r.close()
	}
	return err
}

// round posts the cases and shows each.
func (d *demo) round(ctx context.Context, o demoOptions) ([]*caseResult, error) {
	p, width := paletteFor(d.a.out), terminalWidth(d.a.out)
	var results []*caseResult
	for i, c := range demoCases() {
		r, err := d.post(ctx, c)
		if r != nil && !o.asJSON {
			var b strings.Builder
			r.show(&b, p, i+1, width)
			if _, err := fmt.Fprint(d.a.out, b.String()); err != nil {
				return nil, err
			}
		}
		if err != nil {
			return nil, failed("this is the demo's own check of the proxy, and should never fail", "%s: %w", c.name, err)
		}
		results = append(results, r)
	}
	return results, nil
}

// saleURL is the address that the POS is pointed at.
func (d *demo) saleURL() string { return "http://" + d.proxy.address() + demoPath }

// stay says what to try, and shows what arrives until it is told to stop.
func (d *demo) stay(ctx context.Context) error {
	sale, err := d.freshSale("note-with-card.json")
	if err != nil {
		return err
	}
	file := filepath.Join(d.folder, "sale.json")
	if err := os.WriteFile(file, sale, 0o600); err != nil {
		return failed("", "the sale to try cannot be written: %w", err)
	}
	p := paletteFor(d.a.out)
	var mu sync.Mutex // one delivery is shown at a time
	for _, name := range parties {
		d.receivers[name].watch(func(got delivery) {
			mu.Lock()
			defer mu.Unlock()
			_, _ = fmt.Fprintf(d.a.out, "%s\n%s\n\n", p.cyan(titles[name]), printable(jsonText(got.body, terminalWidth(d.a.out))))
		})
	}
	_, err = fmt.Fprintf(d.a.out, `%s

curl -sS -i %s \
  -H 'Authorization: Bearer %s' \
  -H 'Content-Type: application/json' \
  --data-binary @%s

Sent twice, it gets the first answer again and charges nothing. The sale is in
that file: another transaction_id makes it another sale.

log      %s log tail --config %s
admin    http://%s/metrics  /healthz  /readyz
stop     Ctrl-C

`, p.bold("Now you. What each party receives is shown below."),
		d.saleURL(), d.key, shellWord(file),
		program(), shellWord(filepath.Join(d.folder, "chaperone.yaml")), d.proxy.adminAddress())
	if err != nil {
		return err
	}
	err = d.proxy.wait(ctx)
	d.proxy = nil // wait has closed it
	return err
}

// program is how this program was started, for a line to be pasted.
func program() string {
	if strings.Contains(os.Args[0], "go-build") {
		return "go run ./cmd/chaperone"
	}
	return shellWord(os.Args[0])
}

// shellWord quotes a file name for a shell where it needs to be.
func shellWord(s string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+:@%"
	if s != "" && strings.Trim(s, plain) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// demoDeadline bounds one call of the POS.
const demoDeadline = time.Minute
