package managed

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
)

// Hash tells specs apart whose containers are made differently; what is policy does not count.
func (s Spec) Hash() string {
	list := func(items []string) []string { return slices.Concat([]string{}, items) } // nil is empty
	made, err := json.Marshal([]any{
		s.Model, s.Type, s.Image, list(s.Command), list(s.Env), list(s.GPUs), list(s.Volumes),
		s.MemoryMB, s.ShmMB, s.ContainerPort, s.HostPort, s.Network,
	})
	if err != nil {
		panic(err) // strings and numbers always encode
	}
	sum := sha256.Sum256(made)
	return hex.EncodeToString(sum[:])
}
