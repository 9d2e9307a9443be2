package main

import (
	"context"
	"time"

	"chaperone/audit"
	"chaperone/proxy/admin"
	"chaperone/proxy/admin/control"
	"chaperone/rules"
)

// desk is the log's desk of a proxy that does not run.
func (f *files) desk() *admin.LogDesk {
	return &admin.LogDesk{Log: &f.log, Driver: f.driver, Ring: f.ring, Plan: f.policy, Commit: f.recordUnit,
		DataDir: f.cfg.data, Clock: time.Now, Logger: f.logger}
}

// policy loads the policy that the configuration names; nil where it does not
// load: what the log says does not depend on it.
func (f *files) policy() *rules.Plan {
	plan, _, ds := loadPolicy(f.cfg.rules, f.cfg)
	if ds.HasErrors() {
		return nil
	}
	return plan
}

// Verify is control.Client's.
func (f *files) Verify(ctx context.Context, archive []string) (audit.Report, error) {
	return f.desk().Verify(ctx, localUser(), archive)
}

// Archive is control.Client's.
func (f *files) Archive(ctx context.Context, ask control.LogArchive, yield func(audit.Archived) error) error {
	return f.desk().Archive(ctx, localUser(), ask, yield)
}

// Export is control.Client's.
func (f *files) Export(ctx context.Context, ask control.LogExport, yield func(control.LogLine) error) (audit.Scanned, error) {
	return f.desk().Export(ctx, localUser(), ask, yield)
}

// Disclosures is control.Client's.
func (f *files) Disclosures(ctx context.Context, ask control.LogSubject, yield func(control.Disclosure) error) (audit.Scanned, error) {
	return f.desk().Disclosures(ctx, localUser(), ask, yield)
}

// Breach is control.Client's.
func (f *files) Breach(ctx context.Context, ask control.LogBreach, yield func(audit.Exposure) error) (audit.Scanned, error) {
	return f.desk().Breach(ctx, localUser(), ask, yield)
}
