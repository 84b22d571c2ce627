package api

import (
	"net"
	"net/netip"
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
)

// client is the address that a request comes from: the connection's, or, when that is of a
// trusted proxy, the right-most address of X-Forwarded-For that is not. Whatever stands to the
// left of that may have been written by the client itself, and so may every other header. The
// address is not valid where the connection has none.
func (s *Server) client(ctx *fasthttp.RequestCtx) netip.Addr {
	peer := addressOf(ctx.RemoteAddr())
	if s.options.TrustedProxies == nil || !peer.IsValid() {
		return peer
	}
	lines := ctx.Request.Header.PeekAll(fiber.HeaderXForwardedFor)
	if len(lines) == 0 {
		return peer
	}
	trusted := s.options.TrustedProxies()
	for i := len(lines) - 1; i >= 0; i-- {
		hops := strings.Split(string(lines[i]), ",")
		for j := len(hops) - 1; j >= 0; j-- {
			if !within(trusted, peer) {
				return peer
			}
			hop, ok := parseHop(hops[j])
			if !ok {
				return peer // the proxy knew no better
			}
			peer = hop
		}
	}
	return peer
}

func addressOf(a net.Addr) netip.Addr {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}

func within(networks []netip.Prefix, a netip.Addr) bool {
	for _, n := range networks {
		if n.Contains(a) {
			return true
		}
	}
	return false
}

// parseHop reads an address as proxies write it: bare, in brackets, or with a port.
func parseHop(hop string) (netip.Addr, bool) {
	hop = strings.TrimSpace(hop)
	if a, err := netip.ParseAddrPort(hop); err == nil {
		return a.Addr().Unmap().WithZone(""), true
	}
	a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(hop, "["), "]"))
	return a.Unmap().WithZone(""), err == nil
}

// hostBits is how much of an IPv6 address its holder chooses freely.
const hostBits = 64

// counted is the name that an address is counted under: whoever has one address of an IPv6
// network of 64 bits has them all.
func counted(a netip.Addr) string {
	if a.Is6() {
		if network, err := a.Prefix(128 - hostBits); err == nil {
			return network.String()
		}
	}
	return a.String()
}
