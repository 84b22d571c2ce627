package tokenizer

import (
	"unicode"
	"unicode/utf8"
)

const (
	// margin is how many tokens next to a cut are not believed. It exceeds the 100
	// characters at which WordPiece gives a word up: the start of a longer word has at most
	// that many tokens where the whole word is one unknown token.
	margin = 128
	// bytesPerToken is the first guess; scripts of the languages in use have 2 to 6.
	bytesPerToken = 6
	// sparseBytesPerToken and sparseBytes both have to be read before the search for tokens
	// is given up in a text that has hardly any.
	sparseBytesPerToken = 96
	sparseBytes         = 256 << 10
	// exactBytes is the longest text, in bytes, that is encoded whole for its length alone.
	exactBytes = 64 << 10
)

// content is what was encoded of a text.
type content struct {
	ids []uint32
	// more says that ids are only the first (KeepEnd: the last) tokens of the text.
	more bool
}

// extent says how much of a text is wanted.
type extent struct {
	tokens int // all of a text of no more, and one more at least of any other
	side   Side
	exact  bool // the true number of tokens is wanted too, of texts up to exactBytes
}

// content encodes a text as far as it is wanted. Only a text that is nearly empty of
// tokens gives fewer than wanted and says more.
func (t *Tokenizer) content(text string, want extent) (content, error) {
	for perToken := bytesPerToken; ; perToken *= 4 {
		size := (want.tokens + margin) * perToken
		if len(text) <= 2*size || want.exact && len(text) <= exactBytes {
			ids, err := t.encoder.Encode(text)
			return content{ids: ids}, err
		}
		ids, err := t.encoder.Encode(part(text, size, want.side))
		if err != nil {
			return content{}, err
		}
		if len(ids) > want.tokens+margin {
			return content{ids: keep(ids, len(ids)-margin, want.side), more: true}, nil
		}
		if perToken >= sparseBytesPerToken && size >= sparseBytes {
			return content{ids: ids, more: true}, nil
		}
	}
}

// keep returns the first (KeepEnd: the last) n ids, or all when there are no more.
func keep(ids []uint32, n int, side Side) []uint32 {
	n = min(n, len(ids))
	if side == KeepEnd {
		return ids[len(ids)-n:]
	}
	return ids[:n]
}

// part returns the first (KeepEnd: the last) size bytes of a longer text or somewhat fewer,
// at least half of them, so that it is cut between two words, if there are any.
func part(text string, size int, side Side) string {
	if side == KeepEnd {
		start := len(text) - size
		for i := start; i < start+size/2; i++ {
			if betweenWords(text, i) {
				return text[i:]
			}
		}
		for i := start; i < start+utf8.UTFMax; i++ {
			if utf8.RuneStart(text[i]) {
				return text[i:]
			}
		}
		return text[start:]
	}
	for i := size; i > size/2; i-- {
		if betweenWords(text, i) {
			return text[:i]
		}
	}
	for i := size; i > size-utf8.UTFMax; i-- {
		if utf8.RuneStart(text[i]) {
			return text[:i]
		}
	}
	return text[:size]
}

// betweenWords reports whether one space at i stands between two letters or digits. The
// space begins the second part, as it belongs to the token after it where spaces count.
func betweenWords(text string, i int) bool {
	if text[i] != ' ' || i == 0 || i+1 == len(text) {
		return false
	}
	before, _ := utf8.DecodeLastRuneInString(text[:i])
	after, _ := utf8.DecodeRuneInString(text[i+1:])
	return (inWord(before) || unicode.IsMark(before)) && inWord(after)
}

func inWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }
