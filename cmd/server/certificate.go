package main

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"slices"

	"github.com/quadrate-maas/quadrate/config"
)

// certificate reads the server's certificate and its key, nil when it serves plain HTTP.
func certificate(cfg config.TLS) (*tls.Certificate, error) {
	if cfg.Cert == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(cfg.Cert, cfg.Key)
	if err != nil {
		return nil, fmt.Errorf("server.tls: %w", err)
	}
	return &pair, nil
}

// tls is what the server speaks on each connection, nil for plain HTTP. A handshake takes the pair
// that is in force: reloads read the files, so that no client waits for a disk.
func (g *gateway) tls() *tls.Config {
	if g.pair.Load() == nil {
		return nil
	}
	return &tls.Config{
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return g.pair.Load(), nil },
		MinVersion:     tls.VersionTLS12,
	}
}

// renew puts a certificate in force for the connections that begin from now on.
func (g *gateway) renew(pair *tls.Certificate) {
	if pair == nil {
		return
	}
	before := g.pair.Swap(pair)
	if !slices.EqualFunc(before.Certificate, pair.Certificate, bytes.Equal) {
		g.log.Info("the certificate is renewed", "serial", pair.Leaf.SerialNumber.Text(16), "expires", pair.Leaf.NotAfter)
	}
}
