package playground

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"sync"
)

// Without assets/app, which `make playground` builds, the program does not compile.
//
//go:embed docs assets/docs assets/app assets/app/index.html
var files embed.FS

// SecurityPolicy is the Content-Security-Policy of every page: scripts, styles and requests of
// this server only, nothing inline, and no frame around it. Pictures may stand in a style sheet.
const SecurityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; " +
	"connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// File is something to serve. Its bytes must not be changed.
type File struct {
	Body []byte
	// Type is the Content-Type.
	Type string
	// ETag names the content, quotes included. It is weak: the compressed body has the same.
	ETag    string
	zipOnce sync.Once
	zip     []byte
}

// Site is what the server serves.
type Site struct {
	// Document is the OpenAPI document.
	Document *File
	// Docs shows the document, Playground lets one try the models.
	Docs, Playground *Pages
}

// Pages are a page and what it is made of.
type Pages struct {
	Page  *File
	files map[string]*File
}

// types are the Content-Types by a name's end.
var types = map[string]string{
	".html": "text/html; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".txt":  "text/plain; charset=utf-8",
}

// New makes the site of a server of that version.
func New(version string) (*Site, error) {
	document, err := Document(version)
	if err != nil {
		return nil, err
	}
	s := &Site{Document: newFile(document, "application/json")}
	if s.Docs, err = pagesOf("docs", "assets/docs"); err != nil {
		return nil, err
	}
	if s.Playground, err = pagesOf("assets/app"); err != nil {
		return nil, err
	}
	return s, nil
}

// pagesOf makes pages of the folders' files. index.html is the page, and not served by its name.
func pagesOf(folders ...string) (*Pages, error) {
	p := &Pages{files: map[string]*File{}}
	for _, folder := range folders {
		if err := p.add(folder); err != nil {
			return nil, err
		}
	}
	const page = "index.html"
	if p.Page = p.files[page]; p.Page == nil {
		return nil, fmt.Errorf("playground: there is no %s in %s", page, strings.Join(folders, " or "))
	}
	delete(p.files, page)
	return p, nil
}

func (p *Pages) add(folder string) error {
	entries, err := fs.ReadDir(files, folder)
	if err != nil {
		return fmt.Errorf("playground: %w", err)
	}
	for _, e := range entries {
		kind, served := types[path.Ext(e.Name())]
		if !served {
			continue
		}
		body, err := files.ReadFile(path.Join(folder, e.Name()))
		if err != nil {
			return fmt.Errorf("playground: %w", err)
		}
		p.files[e.Name()] = newFile(body, kind)
	}
	return nil
}

// File is a file that the page is made of, by its name below the page's path.
func (p *Pages) File(name string) (*File, bool) {
	f, ok := p.files[name]
	return f, ok
}

func newFile(body []byte, kind string) *File {
	sum := sha256.Sum256(body)
	return &File{Body: body, Type: kind, ETag: `W/"` + hex.EncodeToString(sum[:16]) + `"`}
}

// Gzip is the body compressed, once.
func (f *File) Gzip() []byte {
	f.zipOnce.Do(func() {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, _ = w.Write(f.Body) // a bytes.Buffer takes all
		_ = w.Close()
		f.zip = b.Bytes()
	})
	return f.zip
}
