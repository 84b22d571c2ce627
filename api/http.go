package api

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/quadrate-maas/quadrate/models"
)

// headerReceived keeps the HTTP library from reading the first 8 KiB of a body of known length
// before it calls the handler, with no limit but the header's: it leaves alone what comes in
// chunks. handle puts the length back, which the library's stream obeys.
//
// A client that asks whether to send too much, or with a wrong key, is not told to continue. It may take that for
// leave to send no body, so the connection ends with the refusal.
func (s *Server) headerReceived(h *fasthttp.RequestHeader) fasthttp.RequestConfig {
	length := h.ContentLength()
	if len(h.Peek(fasthttp.HeaderExpect)) > 0 && s.refuses(h) {
		h.Del(fasthttp.HeaderExpect)
		h.SetConnectionClose()
	}
	if length > 0 {
		h.SetContentLength(-1)
	}
	return fasthttp.RequestConfig{}
}

// bodyLength returns the length that a header declares, 0 without a body and -1 for chunks. Of
// several lengths the HTTP library takes the last, and it takes chunks over any length. A proxy
// in front might take another, and see other requests in the same bytes.
func bodyLength(h *fasthttp.RequestHeader) (int, error) {
	var lengths, codings []string
	h.VisitAllInOrder(func(key, value []byte) {
		switch {
		case strings.EqualFold(string(key), fasthttp.HeaderContentLength):
			lengths = append(lengths, string(value))
		case strings.EqualFold(string(key), fasthttp.HeaderTransferEncoding):
			codings = append(codings, string(value))
		}
	})
	lengths = slices.Compact(lengths)
	switch {
	case len(lengths) > 1:
		return 0, &refusal{row: rowProtocol, message: "the request has two Content-Length headers that differ"}
	case len(codings) > 0 && len(lengths) > 0:
		return 0, &refusal{row: rowProtocol, message: "the request has both Content-Length and Transfer-Encoding"}
	case len(codings) > 1 || len(codings) == 1 && !strings.EqualFold(codings[0], "chunked"):
		return 0, &refusal{row: rowProtocol, message: fmt.Sprintf("Transfer-Encoding must be chunked, not %q", shorten(strings.Join(codings, ", ")))}
	case len(codings) == 1:
		return -1, nil
	case len(lengths) == 0:
		return 0, nil
	}
	length, err := strconv.Atoi(lengths[0])
	if err != nil {
		return 0, &refusal{row: rowProtocol, message: "Content-Length is not a number", cause: err}
	}
	return length, nil
}

// handle refuses requests whose end is in doubt. It keeps from Fiber what that would answer in
// plain text: methods it does not know.
func (s *Server) handle(ctx *fasthttp.RequestCtx, next fasthttp.RequestHandler) {
	length, err := bodyLength(&ctx.Request.Header)
	switch {
	case err != nil:
		s.direct(ctx, err)
	case !slices.Contains(fiber.DefaultMethods, string(ctx.Method())):
		ctx.Response.Header.Set(fiber.HeaderAllow, "GET, HEAD, POST")
		s.direct(ctx, &refusal{row: rowMethod, message: fmt.Sprintf("there is no method %q here", shorten(string(ctx.Method())))})
	default:
		ctx.Request.Header.SetContentLength(length)
		next(ctx)
	}
}

// protocolError answers what is not HTTP, too much of it, or too little. Its connection is
// closed.
func (s *Server) protocolError(ctx *fasthttp.RequestCtx, err error) {
	var small *fasthttp.ErrSmallBuffer
	var timeout interface{ Timeout() bool }
	var answer error = &refusal{row: rowProtocol, message: "the request is not well-formed HTTP/1.1", cause: err}
	switch {
	case errors.As(err, &small):
		answer = &refusal{row: rowHeader, message: fmt.Sprintf("the request's header is larger than %s", byteSize(headerLimit)), cause: err}
	case errors.As(err, &timeout) && timeout.Timeout() && cut(ctx.Conn()):
		answer = models.Errorf(models.KindShuttingDown, "").Because(err)
	case errors.As(err, &timeout) && timeout.Timeout():
		answer = &refusal{row: rowProtocol, message: fmt.Sprintf("the request did not arrive within %s", headerTimeout), cause: err}
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		answer = models.Errorf(models.KindCanceled, "").Because(err)
	}
	ctx.Request.Reset() // what was read of it is not to be trusted
	s.direct(ctx, answer)
}

// direct answers a request that never reached Fiber's routes.
func (s *Server) direct(ctx *fasthttp.RequestCtx, err error) {
	c := s.app.AcquireCtx(ctx)
	defer s.app.ReleaseCtx(c)
	x := s.newCall(c)
	x.event.Method = ""
	ctx.SetConnectionClose()
	x.fail(err)
	x.finish()
	if nc, ok := ctx.Conn().(*conn); ok {
		nc.linger.Store(true)
	}
}
