package api

import (
	"net"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/valyala/fasthttp"
)

func networks(list ...string) func() []netip.Prefix {
	var parsed []netip.Prefix
	for _, text := range list {
		parsed = append(parsed, netip.MustParsePrefix(text))
	}
	return func() []netip.Prefix { return parsed }
}

// TestClientAddress: a client can write whatever it likes into a header, and gains nothing.
func TestClientAddress(t *testing.T) {
	trusted := networks("10.0.0.0/8", "fd00::/8")
	for name, test := range map[string]struct {
		peer      string
		forwarded []string
		want      string
	}{
		"no header":                        {"10.0.0.1", nil, "10.0.0.1"},
		"one hop":                          {"10.0.0.1", []string{"203.0.113.5"}, "203.0.113.5"},
		"the peer is not trusted":          {"203.0.113.9", []string{"203.0.113.5"}, "203.0.113.9"},
		"spoofed on the left":              {"10.0.0.1", []string{"198.51.100.1, 203.0.113.5"}, "203.0.113.5"},
		"a trusted address on the left":    {"10.0.0.1", []string{"10.9.9.9, 203.0.113.5"}, "203.0.113.5"},
		"two proxies":                      {"10.0.0.1", []string{"198.51.100.1, 203.0.113.5, 10.0.0.2"}, "203.0.113.5"},
		"several headers":                  {"10.0.0.1", []string{"198.51.100.1", "203.0.113.5", "10.0.0.2"}, "203.0.113.5"},
		"all are trusted":                  {"10.0.0.1", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		"rubbish":                          {"10.0.0.1", []string{"unknown"}, "10.0.0.1"},
		"rubbish in between":               {"10.0.0.1", []string{"203.0.113.5, ;drop, 10.0.0.2"}, "10.0.0.2"},
		"rubbish on the left":              {"10.0.0.1", []string{"x, 203.0.113.5"}, "203.0.113.5"},
		"empty":                            {"10.0.0.1", []string{""}, "10.0.0.1"},
		"an empty hop":                     {"10.0.0.1", []string{"203.0.113.5,"}, "10.0.0.1"},
		"no spaces":                        {"10.0.0.1", []string{"198.51.100.1,203.0.113.5"}, "203.0.113.5"},
		"a port":                           {"10.0.0.1", []string{"203.0.113.5:4711"}, "203.0.113.5"},
		"IPv6":                             {"fd00::1", []string{"2001:db8::5"}, "2001:db8::5"},
		"IPv6 in brackets":                 {"fd00::1", []string{"[2001:db8::5]"}, "2001:db8::5"},
		"IPv6 with a port":                 {"fd00::1", []string{"[2001:db8::5]:4711"}, "2001:db8::5"},
		"IPv6 with a zone":                 {"fd00::1", []string{"fe80::1%eth0"}, "fe80::1"},
		"IPv4 within IPv6":                 {"10.0.0.1", []string{"::ffff:203.0.113.5"}, "203.0.113.5"},
		"a trusted IPv4 within IPv6":       {"10.0.0.1", []string{"203.0.113.5, ::ffff:10.0.0.2"}, "203.0.113.5"},
		"the peer's IPv4 within IPv6":      {"::ffff:10.0.0.1", []string{"203.0.113.5"}, "203.0.113.5"},
		"a network's name is not believed": {"10.0.0.1", []string{"0.0.0.0/0"}, "10.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, test.want, clientOf(&Server{options: Options{TrustedProxies: trusted}}, test.peer, test.forwarded).String())
			require.Equal(t, netip.MustParseAddr(test.peer).Unmap(), clientOf(&Server{}, test.peer, test.forwarded), "nobody is trusted by default")
		})
	}
}

func clientOf(s *Server, peer string, forwarded []string) netip.Addr {
	var ctx fasthttp.RequestCtx
	ctx.Init(&fasthttp.Request{}, &net.TCPAddr{IP: net.ParseIP(peer), Port: 1234}, nil)
	for _, line := range forwarded {
		ctx.Request.Header.Add("X-Forwarded-For", line)
	}
	for _, other := range []string{"Forwarded", "X-Real-Ip", "Cf-Connecting-Ip", "True-Client-Ip"} {
		ctx.Request.Header.Add(other, "198.51.100.99")
	}
	return s.client(&ctx)
}

func TestAddressesAreCountedByNetwork(t *testing.T) {
	for address, want := range map[string]string{
		"203.0.113.5": "203.0.113.5", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64", "::1": "::/64",
	} {
		require.Equal(t, want, counted(netip.MustParseAddr(address)))
	}
}
