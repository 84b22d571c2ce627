package proxy

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/quadrate-maas/quadrate/models"
)

// object writes the JSON object of a request.
type object struct {
	b     []byte
	names []string // of the members so far
	room  [12]string
}

func newObject(size int) *object {
	o := &object{b: make([]byte, 0, size+256)}
	o.names = o.room[:0]
	o.b = append(o.b, '{')
	return o
}

func (o *object) key(name string) {
	if len(o.names) > 0 {
		o.b = append(o.b, ',')
	}
	o.names = append(o.names, name)
	o.b = appendString(o.b, name)
	o.b = append(o.b, ':')
}

func (o *object) str(name, value string) {
	o.key(name)
	o.b = appendString(o.b, value)
}

// given writes a string that is not empty.
func (o *object) given(name, value string) {
	if value != "" {
		o.str(name, value)
	}
}

func (o *object) flag(name string, value bool) {
	o.key(name)
	o.b = strconv.AppendBool(o.b, value)
}

func (o *object) whole(name string, value int) {
	o.key(name)
	o.b = strconv.AppendInt(o.b, int64(value), 10)
}

// positive writes a number that is not 0.
func (o *object) positive(name string, value int) {
	if value > 0 {
		o.whole(name, value)
	}
}

// list writes a list of n items, each of which item appends to o.b.
func (o *object) list(name string, n int, item func(i int)) {
	o.key(name)
	o.b = append(o.b, '[')
	for i := range n {
		if i > 0 {
			o.b = append(o.b, ',')
		}
		item(i)
	}
	o.b = append(o.b, ']')
}

func (o *object) texts(name string, list []string) {
	o.list(name, len(list), func(i int) { o.b = appendString(o.b, list[i]) })
}

func (o *object) idLists(name string, lists [][]uint32) {
	o.list(name, len(lists), func(i int) { o.b = appendIDs(o.b, lists[i]) })
}

// inputs writes texts as strings and token ids as lists.
func (o *object) inputs(name string, list []models.Input) {
	o.list(name, len(list), func(i int) {
		if list[i].IDs == nil {
			o.b = appendString(o.b, list[i].Text)
			return
		}
		o.b = appendIDs(o.b, list[i].IDs)
	})
}

// newReranking begins the object of a rerank, which every server but TEI takes alike.
func newReranking(c call, req *models.RerankRequest) *object {
	o := newObject(textsSize(req.Documents) + len(req.Query))
	o.str("model", c.model)
	o.str("query", req.Query)
	o.texts("documents", req.Documents)
	return o
}

func appendIDs(b []byte, ids []uint32) []byte {
	b = append(b, '[')
	for i, id := range ids {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendUint(b, uint64(id), 10)
	}
	return append(b, ']')
}

// done ends the object. Fields that nobody here knows follow those that are ours, and not in
// their place, when the client spoke one of the dialects that the upstream speaks, too. Names are
// compared without case, as some servers read them: a "Model" must not get past the routes.
func (o *object) done(extra models.Extra, spoken ...models.Dialect) []byte {
	if slices.Contains(spoken, extra.Dialect) {
		for _, field := range extra.Fields {
			if !slices.ContainsFunc(o.names, func(name string) bool { return strings.EqualFold(name, field.Name) }) {
				o.key(field.Name)
				o.b = append(o.b, field.JSON...)
			}
		}
	}
	return append(o.b, '}')
}

// says reports whether a client said a field itself.
func says(extra models.Extra, name string) bool {
	return slices.ContainsFunc(extra.Fields, func(f models.ExtraField) bool { return f.Name == name })
}

// foreign reports whether a client said what nobody here knows, and what may so change the answer's
// form. OpenAI's user does not.
func foreign(extra models.Extra) bool {
	return slices.ContainsFunc(extra.Fields, func(f models.ExtraField) bool { return f.Name != "user" })
}

// escapes holds, for each byte below 128, how many bytes it takes more in a JSON string.
var escapes = func() (more [utf8.RuneSelf]uint8) {
	for c := range ' ' {
		more[c] = 5
	}
	more['\n'], more['\t'], more['"'], more['\\'] = 1, 1, 1, 1
	return more
}()

// quotedLen is the length of s as a JSON string. Bytes that are not UTF-8 count as what takes
// their place.
func quotedLen(s string) int {
	n := len(s) + 2
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < utf8.RuneSelf {
			n += int(escapes[c])
		}
	}
	if !utf8.ValidString(s) {
		n += 2 * len(s) // at worst
	}
	return n
}

// appendString writes a JSON string. Bytes that are not UTF-8 become U+FFFD.
func appendString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	valid := utf8.ValidString(s)
	done := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			size := 1
			if !valid {
				var r rune
				if r, size = utf8.DecodeRuneInString(s[i:]); r == utf8.RuneError && size == 1 {
					b = append(append(b, s[done:i]...), "\uFFFD"...)
					done = i + 1
				}
			}
			i += size
			continue
		}
		i++
		if escapes[c] == 0 {
			continue
		}
		b = append(b, s[done:i-1]...)
		done = i
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	return append(append(b, s[done:]...), '"')
}
