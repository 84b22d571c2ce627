package upstreamtest

import (
	"encoding/json"
	"net/http"
	"time"
)

// controlPrefix is where a fake in another process is asked and told:
//
//	GET  /_fake/requests   the requests so far, bodies as text
//	GET  /_fake/stats      Stats
//	POST /_fake/fail       {"name", "path", "times", "every", "retry_after", "wait", "bytes", "location"}
//	POST /_fake/clear      end all faults
//	POST /_fake/reset      forget requests and counts
//
// These requests need no key, are not recorded and have no faults.
const controlPrefix = "/_fake/"

// controlFault is a Fault in JSON; wait is as time.ParseDuration has it.
type controlFault struct {
	Name       FaultName `json:"name"`
	Path       string    `json:"path"`
	Times      int       `json:"times"`
	Every      int       `json:"every"`
	RetryAfter string    `json:"retry_after"`
	Wait       string    `json:"wait"`
	Bytes      int       `json:"bytes"`
	Location   string    `json:"location"`
}

func (c controlFault) fault() (Fault, error) {
	fault := Fault{Name: c.Name, Path: c.Path, Times: c.Times, Every: c.Every, RetryAfter: c.RetryAfter, Bytes: c.Bytes, Location: c.Location}
	if c.Wait == "" {
		return fault, nil
	}
	var err error
	fault.Wait, err = time.ParseDuration(c.Wait)
	return fault, err
}

func (f *Fake) control(w http.ResponseWriter, r *http.Request) {
	switch r.Method + " " + r.URL.Path {
	case "GET " + controlPrefix + "requests":
		writeJSON(w, f.recorded())
	case "GET " + controlPrefix + "stats":
		writeJSON(w, f.Stats())
	case "POST " + controlPrefix + "fail":
		f.controlFail(w, r)
	case "POST " + controlPrefix + "clear":
		f.Clear()
		writeJSON(w, struct{}{})
	case "POST " + controlPrefix + "reset":
		f.Reset()
		writeJSON(w, struct{}{})
	default:
		http.NotFound(w, r)
	}
}

// recorded are the requests with their bodies as text.
func (f *Fake) recorded() any {
	type shown struct {
		Request
		Body string `json:"body"`
	}
	list := []shown{}
	for _, r := range f.Requests() {
		list = append(list, shown{Request: r, Body: string(r.Body)})
	}
	return list
}

func (f *Fake) controlFail(w http.ResponseWriter, r *http.Request) {
	var c controlFault
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&c)
	var fault Fault
	if err == nil {
		fault, err = c.fault()
	}
	if err == nil {
		err = f.check(fault)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	f.Fail(fault)
	writeJSON(w, struct{}{})
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", jsonType)
	_ = json.NewEncoder(w).Encode(v)
}
