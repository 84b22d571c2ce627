package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"syscall"
	"time"

	"github.com/quadrate-maas/quadrate/config"
)

const healthcheckTimeout = 5 * time.Second

// healthcheck asks the server of the same configuration on this machine whether it is ready.
func healthcheck(ctx context.Context, cfg *config.Config, stdout io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, healthcheckTimeout)
	defer cancel()
	// It asks its own machine, which no proxy of the environment reaches.
	transport := &http.Transport{DisableKeepAlives: true}
	if cfg.Server.TLS.Cert != "" {
		// The certificate names the server's public name, not this machine's.
		transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true} //nolint:gosec // own server, loopback
	}
	client := http.Client{Transport: transport}
	url := localURL(cfg, listenAddress(cfg)) + "/health/ready"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("no server listens: %w", err)
	}
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
		return fmt.Errorf("%s answered %s: %s", url, resp.Status, body)
	}
	_, err = fmt.Fprintln(stdout, "ready")
	return err
}
