package proxy

import (
	"slices"
	"strings"

	"github.com/quadrate-maas/quadrate/models"
)

// What a dialect cannot say is refused before anything is sent: silence would be a wrong answer.

func refuse(param, format string, args ...any) error {
	return models.Errorf(models.KindInvalid, format, args...).At(param)
}

// noPrompt refuses a prompt's name where the server knows none.
func noPrompt(t Type, name string) error {
	if name == "" {
		return nil
	}
	return refuse("prompt_name", "no prompt is called %.100q: an upstream of type %s knows none", name, t)
}

func noRaw(t Type, raw bool) error {
	if !raw {
		return nil
	}
	return refuse("normalize", "an upstream of type %s gives vectors of norm 1 only", t)
}

func noRawScores(t Type, raw bool) error {
	if !raw {
		return nil
	}
	return refuse("raw_scores", "an upstream of type %s gives no raw scores", t)
}

// floatsOnly refuses what several servers call numbers that are not float32s in little endian: in
// base64 they would be read, and be wrong.
func floatsOnly(t Type, extra models.Extra) error {
	if extra.Dialect != models.DialectOpenAI {
		return nil // it is not sent
	}
	for _, field := range extra.Fields {
		switch strings.ToLower(field.Name) {
		case "embed_dtype", "output_dtype", "endianness":
			if usual := []string{`"float"`, `"float32"`, `"little"`, `"native"`}; !slices.Contains(usual, string(field.JSON)) {
				return refuse(field.Name, "%s may be left out only, or say float32 or little: other numbers of an upstream of type %s are not read", field.Name, t)
			}
		}
	}
	return nil
}

// noIDs refuses token ids where the server takes text only.
func noIDs(t Type, inputs []models.Input) error {
	for i, in := range inputs {
		if in.IDs != nil {
			return refuse(item("input", i), "%s is token ids, which an upstream of type %s does not take: send text", item("input", i), t)
		}
	}
	return nil
}

// oneKind refuses token ids beside texts.
func oneKind(t Type, inputs []models.Input) error {
	for i, in := range inputs {
		if (in.IDs == nil) != (inputs[0].IDs == nil) {
			return refuse(item("input", i), "input[0] and %s are not both texts or both token ids, as an upstream of type %s wants them", item("input", i), t)
		}
	}
	return nil
}

// onlyCuts refuses what a server cannot do with texts that are too long, of which it always cuts
// the end.
func onlyCuts(t Type, how models.Truncate) error {
	switch how {
	case models.TruncateNone:
		return refuse("truncate", "an upstream of type %s cuts long texts; it cannot be told to refuse them", t)
	case models.TruncateStart:
		return noStart(t, how)
	}
	return nil
}

// noStart refuses to keep the end of texts where the server can only keep the beginning.
func noStart(t Type, how models.Truncate) error {
	if how != models.TruncateStart {
		return nil
	}
	return refuse("truncate", "an upstream of type %s cannot cut the start of long texts", t)
}

// noDocumentLimit refuses a limit of each document's tokens that the server does not know, unless
// the model's own is no larger, so that it changes nothing.
func noDocumentLimit(t Type, c call, tokens int) error {
	if tokens == 0 || c.maxLength > 0 && tokens >= c.maxLength {
		return nil
	}
	if c.maxLength == 0 {
		return refuse("max_tokens_per_doc", "an upstream of type %s cannot be told to cut documents to %d tokens, and what it takes is not known (models[].max_length)", t, tokens)
	}
	return refuse("max_tokens_per_doc", "an upstream of type %s cannot be told to cut documents to %d tokens; it takes %d", t, tokens, c.maxLength)
}
