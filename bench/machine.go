package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// machine is where and with what it was measured.
type machine struct {
	Date      string   `json:"date"`
	Processor string   `json:"processor"`
	CPUs      int      `json:"cpus"`
	Memory    string   `json:"memory"`
	Kernel    string   `json:"kernel"`
	Go        string   `json:"go"`
	Source    string   `json:"source"` // the commit
	Versions  []string `json:"versions"`
	LoadStart string   `json:"load_average_start"`
	LoadEnd   string   `json:"load_average_end"`
	Took      string   `json:"took"`

	began time.Time
}

func thisMachine() machine {
	m := machine{
		Date: time.Now().UTC().Format("2006-01-02 15:04 UTC"), CPUs: runtime.NumCPU(), Go: runtime.Version() + " " + runtime.GOARCH,
		Processor: field("/proc/cpuinfo", "model name"), Memory: field("/proc/meminfo", "MemTotal"),
		Kernel: first("/proc/sys/kernel/osrelease"), LoadStart: loadAverage(), began: time.Now(),
		Source: said("git", "rev-parse", "--short=12", "HEAD"),
	}
	if m.Source != "" && said("git", "status", "--porcelain", "--untracked-files=no", "--", "*.go") != "" {
		m.Source += " with changes"
	}
	for _, v := range [][]string{{"redis-server", "--version"}, {"nginx", "-v"}, {"haproxy", "-v"}} {
		if program, err := find(v[0]); err == nil {
			m.Versions = append(m.Versions, said(program, v[1:]...))
		}
	}
	if list := said("dpkg-query", "-W", "-f", "${Package} ${Version}, ", "libnginx-mod-http-lua", "lua-cjson", "lua-nginx-redis"); list != "" {
		m.Versions = append(m.Versions, strings.TrimRight(list, ", "))
	}
	return m
}

func (m *machine) end() {
	m.LoadEnd = loadAverage()
	m.Took = time.Since(m.began).Round(time.Second).String()
}

func loadAverage() string {
	f := strings.Fields(first("/proc/loadavg"))
	return strings.Join(f[:min(3, len(f))], " ")
}

// first returns a file's first line, or nothing.
func first(file string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(b), "\n")
	return line
}

// field returns what stands after a name and a colon in a file of /proc.
func field(file, name string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(b)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// said returns the first line that a program prints, or nothing if it fails.
func said(program string, args ...string) string {
	out, err := exec.Command(program, args...).CombinedOutput()
	if err != nil {
		return ""
	}
	line, _, _ := bytes.Cut(out, []byte("\n"))
	return string(bytes.TrimSpace(line))
}

// text is the machine in a few lines of Markdown.
func (m *machine) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s; %s, %d processors for all processes together, %s of memory, Linux %s; %s; source %s.\n", m.Date, m.Processor, m.CPUs, m.Memory, m.Kernel, m.Go, m.Source)
	fmt.Fprintf(&b, "Load average %s at the start, %s at the end, after %s. Versions:\n\n", m.LoadStart, m.LoadEnd, m.Took)
	for _, v := range m.Versions {
		fmt.Fprintf(&b, "- %s\n", v)
	}
	return b.String()
}
