package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/config"
)

func TestLogFormats(t *testing.T) {
	for format, want := range map[string]string{
		"text": `level=WARN msg=hello key=1`,
		"json": `"level":"WARN","msg":"hello","key":1}`,
		"auto": `"level":"WARN","msg":"hello","key":1}`, // not a terminal
	} {
		var out bytes.Buffer
		log := newLogger(config.Log{Level: "warn", Format: format}, &out)
		log.Info("unheard")
		log.Warn("hello", "key", 1)
		require.Contains(t, out.String(), want)
		require.NotContains(t, out.String(), "unheard")
	}
}
