package api

import (
	"slices"

	"github.com/quadrate-maas/quadrate/models"
)

// maxExtra bounds the fields of one request that are kept for an upstream; those past it are
// ignored, as all are by a model of ours.
const maxExtra = 64

// extraField takes the value of a field that nobody here knows. It copies nothing: the value
// lies in the body, which lives as long as the call. Of a name that comes twice the last counts,
// as it does for known fields, and null is absent.
func (r *jsonReader) extraField(name string, into *models.Extra) error {
	k, err := r.peek()
	if err != nil {
		return err
	}
	raw, err := r.skip()
	if err != nil || into == nil {
		return err
	}
	i := slices.IndexFunc(into.Fields, func(f models.ExtraField) bool { return f.Name == name })
	switch {
	case k == kindNull && i >= 0:
		into.Fields = slices.Delete(into.Fields, i, i+1)
	case k == kindNull:
	case i >= 0:
		into.Fields[i].JSON = raw
	case len(into.Fields) < maxExtra:
		into.Fields = append(into.Fields, models.ExtraField{Name: name, JSON: raw})
	}
	return nil
}
