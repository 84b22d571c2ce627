package proxy

import "errors"

// Check reports all that New would refuse, certificates included, and calls nobody.
func Check(o Options) error {
	if err := o.validate(); err != nil {
		return err
	}
	var problems []error
	for _, u := range o.Upstreams {
		_, err := newPool(u, o, seams{})
		problems = append(problems, err)
	}
	return errors.Join(problems...)
}
