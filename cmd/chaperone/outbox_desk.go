package main

import (
	"context"
	"net/http"

	"github.com/spf13/cobra"

	"chaperone/proxy"
	"chaperone/proxy/admin/control"
	"chaperone/rules"
)

// legDesk is what the verbs of outbox that speak of single legs ask: a running
// proxy (*control.Client), or its files (*fileLegs). Each call is on record.
type legDesk interface {
	Leg(ctx context.Context, name string) (control.LegDetail, error)
	LegBody(ctx context.Context, ask control.LegBodyAsk) (control.LegBody, error)
	RetryLegs(ctx context.Context, r control.LegRetry) (control.LegsRetried, error)
	DropLeg(ctx context.Context, d control.LegDrop) (control.LegDetail, error)
	Close()
}

// fileLegs are the legs of a proxy that does not run.
type fileLegs struct {
	*files
	desk proxy.LegDesk
}

func (f *fileLegs) Leg(ctx context.Context, name string) (control.LegDetail, error) {
	return f.desk.Leg(ctx, localUser(), name)
}

func (f *fileLegs) LegBody(ctx context.Context, ask control.LegBodyAsk) (control.LegBody, error) {
	return f.desk.Body(ctx, localUser(), ask)
}

func (f *fileLegs) RetryLegs(ctx context.Context, r control.LegRetry) (control.LegsRetried, error) {
	return f.desk.Retry(ctx, localUser(), r)
}

func (f *fileLegs) DropLeg(ctx context.Context, d control.LegDrop) (control.LegDetail, error) {
	return f.desk.Drop(ctx, localUser(), d)
}

// openLegDesk asks the proxy that runs on the data folder, and opens the store
// and the keyring where none runs, and the policy too where a body is wanted.
// The error is ready to be shown.
func (a *app) openLegDesk(ctx context.Context, file string, bodies bool) (legDesk, error) {
	cfg, c, err := a.dial(ctx, file)
	if err != nil {
		return nil, err
	}
	if c != nil {
		return c, nil
	}
	var plan *rules.Plan
	if bodies {
		if plan, err = a.loadPlan(cfg, file); err != nil {
			return nil, err
		}
	}
	f, err := a.openFiles(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return &fileLegs{files: f, desk: proxy.LegDesk{Outbox: f.outbox, Plan: func() *rules.Plan { return plan }, Commit: f.recordEntries}}, nil
}

// legError says what to do about what a legDesk returned.
func legError(err error) error {
	if refusedWith(err) == http.StatusNotFound {
		return deskError(err, "see `chaperone outbox list`")
	}
	return deskError(err, "")
}

// legArgument takes the name of a leg.
func legArgument(cmd *cobra.Command, name string) error {
	if _, _, _, err := control.ParseLegName(name); err != nil {
		return usageError(cmd, "%s", err)
	}
	return nil
}
