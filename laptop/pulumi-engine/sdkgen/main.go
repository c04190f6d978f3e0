// Command sdkgen turns the schema of a Pulumi package into its TypeScript package, as
// `pulumi package gen-sdk --language nodejs --local` does, without the language host for Node.
//
//	sdkgen < schema.json FOLDER
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/pulumi/pulumi/pkg/v3/codegen/nodejs"
	"github.com/pulumi/pulumi/pkg/v3/codegen/schema"
)

func main() {
	if len(os.Args) != 2 {
		fail(errors.New("usage: sdkgen FOLDER, with a schema (JSON) on its standard input"))
	}
	files, err := generate()
	if err != nil {
		fail(err)
	}
	for name, content := range files {
		path := filepath.Join(os.Args[1], filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			fail(err)
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			fail(err)
		}
	}
}

// Our schema refers to no other package: there is nothing to load.
type noLoader struct{ schema.ReferenceLoader }

// The files of the package, by name.
func generate() (map[string][]byte, error) {
	var spec schema.PackageSpec
	if err := json.NewDecoder(os.Stdin).Decode(&spec); err != nil {
		return nil, err
	}
	bound, faults, err := schema.BindSpec(spec, noLoader{}, schema.ValidationOptions{})
	if err != nil {
		return nil, err
	}
	if faults.HasErrors() {
		return nil, faults
	}
	const local = true // its package.json builds it where it is unpacked
	return nodejs.GeneratePackage("sdkgen", bound, nil, nil, local, noLoader{})
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "sdkgen:", err)
	os.Exit(1)
}
