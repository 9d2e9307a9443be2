package chaos

import (
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"chaperone/cmd/chaperone/e2e/rig"
)

var (
	salesFlag  = flag.Int("chaos.sales", 600, "sales to make")
	faultsFlag = flag.Int("chaos.faults", 12, "faults to inject")
	timeFlag   = flag.Duration("chaos.time", 16*time.Second, "how long they are spread over")
	seedFlag   = flag.Uint64("chaos.seed", 0, "what the faults and sales are drawn from; 0 takes the time")
	reportFlag = flag.String("chaos.report", "", "write the table of the run to this `file`, as Markdown")
)

var binary string

func TestMain(m *testing.M) { os.Exit(buildAndRun(m)) }

func buildAndRun(m *testing.M) int {
	path, remove, err := rig.Build(raceEnabled)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer remove()
	binary = path
	return m.Run()
}
