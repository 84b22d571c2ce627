package managed

import (
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// policy are the fields that do not change how a container is made.
var policy = map[string]bool{
	"ID": true, "Pull": true, "GPUMemoryMB": true, "Group": true, "Priority": true, "Pinned": true,
	"Preload": true, "IdleTTL": true, "MinResidency": true, "StartWait": true, "StartTimeout": true,
	"PullTimeout": true, "DrainTimeout": true, "StopTimeout": true, "CheckInterval": true,
}

func hashed() Spec {
	return Spec{
		ID: "a", Model: "m", Type: "tei", Image: "i", Command: []string{"c"}, Env: []string{"E=1"},
		GPUs: []string{"0"}, Volumes: []string{"v:/data"}, MemoryMB: 1, ShmMB: 2, ContainerPort: 3,
		HostPort: 4, Network: "n",
	}
}

func TestHashIsOfWhatMakesTheContainer(t *testing.T) {
	for i := range reflect.TypeFor[Spec]().NumField() {
		field := reflect.TypeFor[Spec]().Field(i).Name
		t.Run(field, func(t *testing.T) {
			other := hashed()
			change(t, reflect.ValueOf(&other).Elem().Field(i))
			require.Equal(t, policy[field], hashed().Hash() == other.Hash())
		})
	}
}

func change(t *testing.T, v reflect.Value) {
	t.Helper()
	switch {
	case v.Type() == reflect.TypeFor[time.Duration]():
		v.SetInt(v.Int() + int64(time.Second))
	case v.Kind() == reflect.String:
		v.SetString(v.String() + "x")
	case v.Kind() == reflect.Int:
		v.SetInt(v.Int() + 1)
	case v.Kind() == reflect.Bool:
		v.SetBool(!v.Bool())
	case v.Type() == reflect.TypeFor[[]string]():
		v.Set(reflect.Append(v, reflect.ValueOf("x")))
	default:
		require.Fail(t, "a field of a kind that this test does not know", v.Type().String())
	}
}

func TestHashOfNoListIsThatOfAnEmptyOne(t *testing.T) {
	require.Equal(t, Spec{}.Hash(), Spec{Command: []string{}, Env: []string{}, GPUs: []string{}, Volumes: []string{}}.Hash())
}

func TestHashKeepsListsApart(t *testing.T) {
	require.NotEqual(t, Spec{Command: []string{"a", "b"}}.Hash(), Spec{Command: []string{"a b"}}.Hash())
	require.NotEqual(t, Spec{Command: []string{"a"}}.Hash(), Spec{Env: []string{"a"}}.Hash())
	require.NotEqual(t, Spec{Command: []string{"a", "b"}}.Hash(), Spec{Command: []string{"b", "a"}}.Hash())
}
