package api

import (
	"bytes"
	"compress/gzip"
	"sync"

	"github.com/gofiber/fiber/v2"
)

// gzipWriters are reused: each holds most of a megabyte. Digits have nothing but their
// frequencies to compress by, so Huffman codes alone get as far as the search for repetitions
// does in five times the time.
var gzipWriters = sync.Pool{New: func() any {
	w, err := gzip.NewWriterLevel(nil, gzip.HuffmanOnly)
	if err != nil {
		panic(err) // the level is a constant
	}
	return w
}}

// compress returns the answer as the client wants it: with gzip when it asks for that and the
// answer is large enough.
func (x *call) compress(body []byte) []byte {
	from := x.server.options.GzipFrom
	if from <= 0 || int64(len(body)) < from {
		return body
	}
	x.http.Vary(fiber.HeaderAcceptEncoding)
	if x.http.Get(fiber.HeaderAcceptEncoding) == "" || x.http.AcceptsEncodings("gzip") == "" {
		return body
	}
	x.http.Set(fiber.HeaderContentEncoding, "gzip")
	out := bytes.NewBuffer(make([]byte, 0, len(body)/2))
	w := gzipWriters.Get().(*gzip.Writer)
	defer gzipWriters.Put(w)
	w.Reset(out)
	_, _ = w.Write(body) // a bytes.Buffer takes all
	_ = w.Close()
	return out.Bytes()
}
