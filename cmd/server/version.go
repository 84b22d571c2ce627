package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/quadrate-maas/quadrate/config"
	"github.com/quadrate-maas/quadrate/internal/machine"
)

// inside is what the program is made of, and what it runs on.
type inside struct {
	Version  string `json:"version"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
	// Revision is the commit that it was built from; Modified: of a tree with changes.
	Revision string `json:"revision,omitempty"`
	Modified bool   `json:"modified,omitempty"`
	// Engine runs the local models; EngineProblem says why there is none.
	Engine        string       `json:"engine,omitempty"`
	EngineProblem string       `json:"engine_problem,omitempty"`
	Machine       machine.Info `json:"machine"`
	Modules       []module     `json:"modules"`
}

type module struct {
	Path    string `json:"path"`
	Version string `json:"version"`
}

// tellVersion serves quadrate version.
func tellVersion(cfg *config.Config, asJSON bool, stdout io.Writer) error {
	v := lookInside(cfg)
	if asJSON {
		encoder := json.NewEncoder(stdout)
		encoder.SetIndent("", "  ")
		return encoder.Encode(v)
	}
	return v.print(stdout)
}

// lookInside loads the engine that the configuration names, to ask it for its version.
func lookInside(cfg *config.Config) inside {
	v := inside{Version: version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, Machine: machine.This(), Modules: []module{}}
	if info, ok := debug.ReadBuildInfo(); ok {
		v.read(info)
	}
	engine, err := newLocalRuntime(cfg)
	if err != nil {
		v.EngineProblem = err.Error()
		return v
	}
	if err := engine.GPU(""); engine.Engine() == "" && err != nil {
		v.EngineProblem = err.Error()
	}
	v.Engine = engine.Describe()
	if err := engine.Close(); err != nil {
		v.EngineProblem = err.Error()
	}
	return v
}

func (v *inside) read(info *debug.BuildInfo) {
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Revision = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	for _, m := range info.Deps {
		for m.Replace != nil {
			m = m.Replace
		}
		v.Modules = append(v.Modules, module{m.Path, m.Version})
	}
	slices.SortFunc(v.Modules, func(a, b module) int { return strings.Compare(a.Path, b.Path) })
}

func (v *inside) print(w io.Writer) error {
	fmt.Fprintf(w, "quadrate %s (%s, %s)\n", v.Version, v.Go, v.Platform)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(t, "%s\t%s\n", name, value)
		}
	}
	if v.Modified {
		line("revision", v.Revision+", modified")
	} else {
		line("revision", v.Revision)
	}
	line("engine", v.Engine)
	line("no engine", v.EngineProblem)
	line("machine", fmt.Sprintf("%d cores %s", v.Machine.Cores, strings.Join(v.Machine.InstructionSet, " ")))
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w, "modules")
	for _, m := range v.Modules {
		line("  "+m.Path, m.Version)
	}
	return t.Flush()
}
