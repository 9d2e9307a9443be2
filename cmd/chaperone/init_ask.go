package main

import (
	"bufio"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"chaperone/deploy/medspa"
	"chaperone/rules/currency"
	"chaperone/rules/propose"

	"github.com/spf13/cobra"
)

// question is one thing that init wants to know.
type question struct {
	flag  string // that answers it
	ask   string
	into  *string
	check func(string) error // nil: anything
	// skip says that it is no question, in view of the answers before it.
	skip func() bool
	// standard gives the default in view of the answers before it; nil: what
	// the flag has. needed says that there is none.
	standard func() string
	needed   bool
}

// questions are those of a med spa, in the order in which they are asked.
func (o *initOptions) questions() []question {
	standIn := func() bool { return o.ehr == medspa.EHRURL }
	return []question{
		{flag: "pos", ask: "What shall the POS be called here?", into: &o.pos, check: checkCallerName},
		{flag: "country", ask: "In which country is the clinic (two letters)?", into: &o.country, check: checkCountry},
		{flag: "currency", ask: "In which currency does it sell (three letters)?", into: &o.currency, check: checkCurrency, standard: o.countryCurrency},
		{flag: "processor", ask: "Where is the card processor?", into: &o.processor, check: checkURL},
		{flag: "ehr", ask: "Where is the patient record (EHR)?", into: &o.ehr, check: checkURL},
		{flag: "agreement", ask: "What agreement do you have with the record: BAA or DPA?", into: &o.agreement, check: checkAgreement, standard: o.countryAgreement, skip: standIn},
		{flag: "agreement-reference", ask: "What is that agreement's reference?", into: &o.reference, check: checkReference, needed: true, skip: standIn},
		{flag: "agreement-expires", ask: "What is its last day (YYYY-MM-DD)?", into: &o.expires, check: o.checkExpiry, needed: true, skip: standIn},
		{flag: "ledger", ask: "Where is the sales ledger?", into: &o.ledger, check: checkURL},
		{flag: "redis", ask: "Redis, host:port (nothing: the embedded store)?", into: &o.redis},
		{flag: "vault", ask: "Vault, its URL (nothing: the keyring in a local file)?", into: &o.vault, check: checkOptionalURL},
	}
}

// settle fills what no flag has said: by questions on a terminal, else by the
// defaults.
func (o *initOptions) settle(cmd *cobra.Command, a *app) error {
	asks := !o.yes && isTerminal(a.in) && !slices.Contains(o.from, fromStdin)
	in := bufio.NewReader(a.in)
	for _, q := range o.questions() {
		said := cmd.Flags().Changed(q.flag)
		if !said && q.skip != nil && q.skip() {
			continue
		}
		if !said && q.standard != nil {
			*q.into = q.standard()
		}
		switch {
		case said:
		case asks:
			if err := q.put(a, in); err != nil {
				return err
			}
		case q.needed:
			return &failure{code: exitUsage, message: fmt.Sprintf("--%s is needed: the record is no stand-in, and gets health data", q.flag),
				hint: "without a signed agreement nobody may get health data: see `chaperone init --help`"}
		}
		if q.check != nil && !(asks && !said) {
			if err := q.check(*q.into); err != nil {
				return usageError(cmd, "--%s: %s", q.flag, err)
			}
		}
	}
	o.inStandInsPlace()
	if o.keyHash != "" && !keyHashShape.MatchString(o.keyHash) {
		return usageError(cmd, "--key-sha256: a SHA-256 has 64 hexadecimal digits")
	}
	if !slices.Contains(propose.Kinds(), o.kind) {
		return usageError(cmd, "--as: there is no kind %q%s", o.kind, suggest(o.kind, propose.Kinds()))
	}
	if o.path != "" && (o.path[0] != '/' || len(o.from) == 0) {
		return usageError(cmd, "--path begins with /, and is for --from")
	}
	if o.redisPassword != "" && o.redis == "" {
		return usageError(cmd, "--redis-password-file needs --redis")
	}
	return nil
}

// put asks until there is an answer that will do.
func (q *question) put(a *app, in *bufio.Reader) error {
	p := paletteFor(a.err)
	for {
		ask := q.ask
		if *q.into != "" {
			ask += " " + p.dim("["+*q.into+"]")
		}
		if _, err := fmt.Fprintf(a.err, "%s ", ask); err != nil {
			return err
		}
		line, err := in.ReadString('\n')
		answer := strings.TrimSpace(line)
		if err != nil && (err != io.EOF || answer == "") {
			return failed("--yes takes the defaults", "the answers ended at --%s; nothing was written", q.flag)
		}
		if answer == "" {
			answer = *q.into
		}
		wrong := error(nil)
		switch {
		case answer == "" && q.needed:
			wrong = fmt.Errorf("an answer is needed")
		case q.check != nil:
			wrong = q.check(answer)
		}
		if wrong == nil {
			*q.into = answer
			return nil
		}
		if _, err := fmt.Fprintf(a.err, "  %s\n", p.yellow(wrong.Error())); err != nil {
			return err
		}
	}
}

// inStandInsPlace gives the stand-in of a record an agreement that nobody could
// take for a signed one.
func (o *initOptions) inStandInsPlace() {
	if o.agreement == "" {
		o.agreement = o.countryAgreement()
	}
	if o.reference == "" {
		o.reference = "STAND-IN"
	}
	if o.expires == "" {
		o.expires = o.now.AddDate(1, 0, 0).Format(time.DateOnly)
	}
}

// home says what is usual in a country.
type home struct{ currency, agreement string }

// homes are the countries that init knows. Only in the States is the agreement
// a business associate's; elsewhere it is one on data processing.
var homes = func() map[string]home {
	m := map[string]home{"US": {"USD", "BAA"}}
	for _, pair := range strings.Fields("GB:GBP CA:CAD AU:AUD NZ:NZD CH:CHF SE:SEK DK:DKK NO:NOK PL:PLN CZ:CZK HU:HUF RO:RON AE:AED " +
		"JP:JPY KR:KRW SG:SGD HK:HKD IN:INR ZA:ZAR MX:MXN BR:BRL IL:ILS") {
		country, currency, _ := strings.Cut(pair, ":")
		m[country] = home{currency, "DPA"}
	}
	for _, country := range strings.Fields("AT BE BG CY DE EE ES FI FR GR HR IE IT LT LU LV MT NL PT SI SK") {
		m[country] = home{"EUR", "DPA"}
	}
	return m
}()

func (o *initOptions) countryCurrency() string  { return homes[strings.ToUpper(o.country)].currency }
func (o *initOptions) countryAgreement() string { return homes[strings.ToUpper(o.country)].agreement }

func checkCallerName(s string) error {
	if !callerName.MatchString(s) {
		return fmt.Errorf("a name begins with a letter and has letters, digits, - and _, at most 63")
	}
	return nil
}

func checkCountry(s string) error {
	if _, known := homes[strings.ToUpper(s)]; !known {
		return fmt.Errorf("init does not know the country %q: name another, and say --currency and --agreement", s)
	}
	return nil
}

func checkCurrency(s string) error {
	if _, known := currency.Exponent([]byte(s)); !known {
		return fmt.Errorf("there is no currency %q: write the three letters of ISO 4217, as USD", s)
	}
	return nil
}

func checkURL(s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http"):
		return fmt.Errorf("an address has scheme and host, as https://api.processor.example")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("an address has no user, query or fragment")
	}
	return nil
}

func checkOptionalURL(s string) error {
	if s == "" {
		return nil
	}
	return checkURL(s)
}

// plainText is what may stand in the file without being quoted in a special
// way, and in a log.
var plainText = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9 ._/#-]{0,63}$`)

var keyHashShape = regexp.MustCompile(`^[0-9a-fA-F]{64}$`)

func checkAgreement(s string) error {
	if s != "BAA" && s != "DPA" {
		return fmt.Errorf("BAA (HIPAA) or DPA (UK and EU)")
	}
	return nil
}

func checkReference(s string) error {
	if !plainText.MatchString(s) {
		return fmt.Errorf("a reference has letters, digits, blanks and . _ / # -, at most 64")
	}
	return nil
}

func (o *initOptions) checkExpiry(s string) error {
	day, err := time.Parse(time.DateOnly, s)
	switch {
	case err != nil:
		return fmt.Errorf("write the day as 2029-03-31")
	case day.Before(o.now.Truncate(24 * time.Hour)):
		return fmt.Errorf("that day is past: nobody may get health data under a lapsed agreement")
	}
	return nil
}
