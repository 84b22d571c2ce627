package api

import (
	"fmt"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/quadrate-maas/quadrate/playground"
)

// document answers with the OpenAPI document.
func (s *Server) document(x *call) error {
	site, err := s.site()
	if err != nil {
		return err
	}
	x.file(site.Document)
	return nil
}

// pages serves a page at a path, and below it what the page is made of.
func (s *Server) pages(path string, of func(*playground.Site) *playground.Pages) {
	page := func(x *call) error {
		site, err := s.site()
		if err != nil {
			return err
		}
		x.page(of(site).Page)
		return nil
	}
	s.get(path, page)
	s.get(path+"/*", func(x *call) error {
		name := strings.Clone(x.http.Params("*"))
		if name == "" {
			return page(x)
		}
		site, err := s.site()
		if err != nil {
			return err
		}
		f, ok := of(site).File(name)
		if !ok {
			return &refusal{row: rowRoute, message: fmt.Sprintf("there is no file %s here", shorten(path+"/"+strings.ToValidUTF8(name, "\ufffd")))}
		}
		x.page(f)
		return nil
	})
}

// page is file for what a browser shows and runs: a worker's policy is that of its script.
func (x *call) page(f *playground.File) {
	x.http.Set(fiber.HeaderContentSecurityPolicy, playground.SecurityPolicy)
	x.http.Set(fiber.HeaderReferrerPolicy, "no-referrer")
	x.file(f)
}

// file answers with a file, or that the client has it. A client may keep it, and asks each time
// whether it is still the same.
func (x *call) file(f *playground.File) {
	x.http.Set(fiber.HeaderETag, f.ETag)
	x.http.Set(fiber.HeaderCacheControl, "no-cache")
	x.http.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	x.http.Vary(fiber.HeaderAcceptEncoding)
	if matches(x.http.Get(fiber.HeaderIfNoneMatch), f.ETag) {
		x.send(fiber.StatusNotModified, nil)
		// A cache on the way may take over the headers of this answer into what it keeps.
		x.http.Set(fiber.HeaderContentType, f.Type)
		return
	}
	body := f.Body
	if x.http.Get(fiber.HeaderAcceptEncoding) != "" && x.http.AcceptsEncodings("gzip") != "" {
		x.http.Set(fiber.HeaderContentEncoding, "gzip")
		body = f.Gzip()
	}
	x.send(fiber.StatusOK, body)
	x.http.Set(fiber.HeaderContentType, f.Type)
}

// matches reports whether an If-None-Match names a weak tag.
func matches(header, tag string) bool {
	for candidate := range strings.SplitSeq(header, ",") {
		candidate = strings.TrimSpace(candidate)
		if candidate == "*" || strings.TrimPrefix(candidate, "W/") == strings.TrimPrefix(tag, "W/") {
			return true
		}
	}
	return false
}
