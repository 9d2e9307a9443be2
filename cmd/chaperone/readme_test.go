package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// fence is a block of code in Markdown, indented or not.
var fence = regexp.MustCompile("(?ms)^ *```(\\w*)\n(.*?)^ *```$")

// readme changes into the project's root for the test, and returns README.md.
func readme(t *testing.T) string {
	t.Helper()
	t.Chdir(filepath.Join("..", ".."))
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestREADMECommands runs every command of the README that ends by itself, and
// looks the others up: the verb and its flags exist.
func TestREADMECommands(t *testing.T) {
	text := readme(t)
	var lines []string
	for _, block := range fence.FindAllStringSubmatch(text, -1) {
		for line := range strings.Lines(block[2]) {
			if line = strings.TrimSpace(line); strings.HasPrefix(line, "chaperone ") {
				lines = append(lines, line)
			}
		}
	}
	for _, inline := range regexp.MustCompile("`(chaperone [^`]*)`").FindAllStringSubmatch(text, -1) {
		lines = append(lines, inline[1])
	}
	if len(lines) < 6 {
		t.Fatalf("found only %q", lines)
	}
	for _, line := range lines {
		t.Run(strings.ReplaceAll(line, "/", "."), func(t *testing.T) {
			command, input, _ := strings.Cut(line, "<")
			args := strings.Fields(command)[1:]
			switch args[0] {
			case "check", "test", "explain", "callers", "version":
				runREADME(t, args, strings.TrimSpace(input))
			default:
				findREADME(t, args)
			}
		})
	}
}

func runREADME(t *testing.T, args []string, input string) {
	t.Helper()
	var body []byte
	switch input {
	case "":
	case "key.txt": // the reader's own
		body = []byte("sk_live_aBcDeFgHiJkLmNoP\n")
	default:
		var err error
		if body, err = os.ReadFile(input); err != nil {
			t.Fatal(err)
		}
	}
	var out, said bytes.Buffer
	if code := run(args, bytes.NewReader(body), &out, &said); code != exitOK || said.Len() > 0 {
		t.Errorf("exit code %d\n%s%s", code, out.String(), said.String())
	}
}

func findREADME(t *testing.T, args []string) {
	t.Helper()
	cmd, rest, err := newRootCommand(&app{}).Find(args)
	if err != nil || !cmd.HasParent() || cmd.HasSubCommands() {
		t.Fatalf("there is no such command: %v", err)
	}
	if err := cmd.ParseFlags(rest); err != nil {
		t.Error(err)
	}
}

// TestREADMEConfiguration loads the README's chaperone.yaml.
func TestREADMEConfiguration(t *testing.T) {
	text, found := readme(t), 0
	for _, block := range fence.FindAllStringSubmatch(text, -1) {
		if block[1] != "yaml" {
			continue
		}
		found++
		if _, ds := parseConfig("README.md", []byte(block[2])); len(ds) > 0 {
			t.Errorf("%s", ds)
		}
	}
	if found == 0 {
		t.Error("there is none")
	}
}

// TestREADMENames finds what the README names: files, and make targets.
func TestREADMENames(t *testing.T) {
	text := readme(t)
	for _, link := range regexp.MustCompile(`\]\(([^)#:]+)\)`).FindAllStringSubmatch(text, -1) {
		if _, err := os.Stat(link[1]); err != nil {
			t.Error(err)
		}
	}
	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	targets := regexp.MustCompile(`(?m)make ([a-z-]+)`).FindAllStringSubmatch(text, -1)
	if len(targets) == 0 {
		t.Error("no make target is named")
	}
	for _, target := range targets {
		if !regexp.MustCompile(`(?m)^` + target[1] + `:`).Match(makefile) {
			t.Errorf("there is no target %s", target[1])
		}
	}
}

// TestSampleConfiguration loads the sample's chaperone.yaml without a word.
func TestSampleConfiguration(t *testing.T) {
	t.Chdir(filepath.Join("..", "..", "deploy", "medspa"))
	cfg, ds := loadConfig("chaperone.yaml")
	if len(ds) > 0 {
		t.Fatal(ds)
	}
	if cfg.rules != "rules.yaml" || !loopback(cfg.listen.address) || !loopback(cfg.admin.address) {
		t.Errorf("got %+v", cfg)
	}
}
