package managed

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
)

// Hash is of all that a container is made of: two specs with one Hash can share a container.
func (s Spec) Hash() string {
	made, err := json.Marshal(struct {
		Image                                    string
		Command, Env, GPUs, Volumes              []string
		MemoryMB, ShmMB, ContainerPort, HostPort int
		Network                                  string
	}{
		s.Image, list(s.Command), list(s.Env), list(s.GPUs), list(s.Volumes),
		s.MemoryMB, s.ShmMB, s.ContainerPort, s.HostPort, s.Network,
	})
	if err != nil {
		panic(err) // strings and numbers can be written
	}
	sum := sha256.Sum256(made)
	return hex.EncodeToString(sum[:16])
}

// list has nil and empty written alike.
func list(l []string) []string {
	if len(l) == 0 {
		return nil
	}
	return l
}
