package main

import (
	"strings"

	"chaperone/rules"
	"chaperone/rules/ruletest"
	"chaperone/rules/yamlfile"

	"github.com/spf13/cobra"
)

// fileSchema is a file that people write, and its model.
type fileSchema struct {
	name, id, title string
	shape           *yamlfile.Shape
}

// fileSchemas are the files whose schema can be printed.
func fileSchemas() []fileSchema {
	return []fileSchema{
		{"rules", "urn:chaperone:schema:rules", "rules.yaml, a policy of Chaperone", rules.Shape()},
		{"config", "urn:chaperone:schema:config", "chaperone.yaml, the configuration of Chaperone", configShape},
		{"tests", "urn:chaperone:schema:tests", "*_test.yaml, tests of a policy of Chaperone", ruletest.Shape()},
	}
}

func newSchemaCommand(a *app) *cobra.Command {
	var names []string
	for _, f := range fileSchemas() {
		names = append(names, f.name)
	}
	return &cobra.Command{
		Use:   "schema " + strings.Join(names, "|"),
		Short: "Print the JSON Schema of a file, for editors",
		Long: `Prints the JSON Schema (draft 2020-12) of rules.yaml, chaperone.yaml or a file
of tests (*_test.yaml), with which an editor completes keys and words and
underlines mistakes. It is written from the model by which this version reads
the file; what refers to other parts of the file, only check and test can judge.`,
		Example: `  chaperone schema rules > rules.schema.json
  chaperone schema config > config.schema.json
  chaperone schema tests > tests.schema.json`,
		Args:      exactArguments("rules, config or tests"),
		ValidArgs: names,
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, f := range fileSchemas() {
				if f.name == args[0] {
					return printSchema(a, f)
				}
			}
			return usageError(cmd, "there is no schema %q%s", args[0], suggest(args[0], names))
		},
	}
}

func printSchema(a *app, f fileSchema) error {
	text, err := f.shape.JSONSchema(f.id, f.title)
	if err != nil {
		return err
	}
	_, err = a.out.Write(text)
	return err
}

// suggest is "; did you mean …?" for the known name that is nearest to what was
// written, "" where none is near.
func suggest(written string, known []string) string {
	if near := yamlfile.Suggest(written, known); near != "" {
		return "; " + near
	}
	return ""
}
