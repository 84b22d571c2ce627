package config

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/quadrate-maas/quadrate/models"
)

// Bytes is a size. In text it is a whole number with an optional unit: 64MiB, 4MB, 1024.
type Bytes int64

var byteUnits = []struct {
	name string
	size int64
}{
	{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
	{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"KB", 1e3}, {"B", 1},
}

// String writes the size with the largest binary unit that divides it.
func (b Bytes) String() string {
	for _, u := range byteUnits[:4] {
		if b != 0 && int64(b)%u.size == 0 {
			return strconv.FormatInt(int64(b)/u.size, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(b), 10)
}

// AutoDuration is a duration, or "auto": whoever uses it works it out.
type AutoDuration struct {
	// Set says that Value holds; else it is auto.
	Set   bool
	Value time.Duration
}

// Or returns the duration, or auto when none is set.
func (d AutoDuration) Or(auto time.Duration) time.Duration {
	if d.Set {
		return d.Value
	}
	return auto
}

func (d AutoDuration) String() string {
	if d.Set {
		return d.Value.String()
	}
	return "auto"
}

var (
	typeBytes        = reflect.TypeFor[Bytes]()
	typeDuration     = reflect.TypeFor[time.Duration]()
	typeAutoDuration = reflect.TypeFor[AutoDuration]()
	typeTask         = reflect.TypeFor[models.Task]()
)

// parseValue reads a scalar of type t. Its error continues a sentence that begins with the text.
func parseValue(t reflect.Type, text string) (any, error) {
	switch t {
	case typeBytes:
		return parseBytes(text)
	case typeDuration:
		return parseDuration(text)
	case typeAutoDuration:
		return parseAutoDuration(text)
	case typeTask:
		return parseTask(text)
	}
	switch t.Kind() {
	case reflect.String:
		return text, nil
	case reflect.Int:
		return parseInt(text)
	case reflect.Bool:
		return parseBool(text)
	}
	panic(fmt.Sprintf("config: no way to read a %s", t))
}

func parseInt(text string) (int, error) {
	n, err := strconv.Atoi(text)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return 0, errors.New("is too large a number")
	case err != nil:
		return 0, errors.New("is not a whole number")
	}
	return n, nil
}

func parseBool(text string) (bool, error) {
	switch text {
	case "true", "True", "TRUE":
		return true, nil
	case "false", "False", "FALSE":
		return false, nil
	}
	return false, errors.New("is neither true nor false")
}

func parseBytes(text string) (Bytes, error) {
	wrong := errors.New("is not a size: write a whole number of bytes, or one with B, KB, MB, GB, TB, KiB, MiB, GiB or TiB, such as 64MiB")
	digits := strings.TrimLeft(text, "0123456789")
	number := text[:len(text)-len(digits)]
	size := int64(1)
	if unit := strings.TrimSpace(digits); unit != "" {
		i := slices.IndexFunc(byteUnits, func(u struct {
			name string
			size int64
		}) bool {
			return u.name == unit
		})
		if i < 0 {
			return 0, wrong
		}
		size = byteUnits[i].size
	}
	n, err := strconv.ParseInt(number, 10, 64)
	switch {
	case errors.Is(err, strconv.ErrRange) || err == nil && n > math.MaxInt64/size:
		return 0, errors.New("is too large a size")
	case err != nil:
		return 0, wrong
	}
	return Bytes(n * size), nil
}

func parseDuration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err == nil {
		return d, nil
	}
	if _, numeric := strconv.ParseFloat(text, 64); numeric == nil {
		return 0, fmt.Errorf("is a duration without a unit: write %[1]ss or %[1]sms", text)
	}
	return 0, errors.New("is not a duration, such as 5s, 250ms or 1m30s")
}

func parseAutoDuration(text string) (AutoDuration, error) {
	if text == "auto" {
		return AutoDuration{}, nil
	}
	d, err := parseDuration(text)
	if err != nil {
		return AutoDuration{}, fmt.Errorf("%w, or auto", err)
	}
	return AutoDuration{Set: true, Value: d}, nil
}

func parseTask(text string) (models.Task, error) {
	if task := models.Task(text); slices.Contains(models.Tasks(), task) {
		return task, nil
	}
	names := make([]string, len(models.Tasks()))
	for i, task := range models.Tasks() {
		names[i] = string(task)
	}
	return "", fmt.Errorf("is not a task: allowed are %s", strings.Join(names, ", "))
}

// magnitude is a value's size for comparison with its bounds; ok is false for values without one.
func magnitude(v any) (n int64, ok bool) {
	switch v := v.(type) {
	case int:
		return int64(v), true
	case Bytes:
		return int64(v), true
	case time.Duration:
		return int64(v), true
	case AutoDuration:
		return int64(v.Value), v.Set
	}
	return 0, false
}
