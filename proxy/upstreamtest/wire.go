package upstreamtest

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"
)

const (
	defaultWait = time.Second
	defaultHuge = 64 << 20
)

func (x *exchange) wait() time.Duration {
	if x.fault.Wait == 0 {
		return defaultWait
	}
	return x.fault.Wait
}

// before plays what happens before an answer, and reports whether one is to be made.
func (x *exchange) before() bool {
	if x.fault == nil {
		return true
	}
	switch x.fault.Name {
	case Loading:
		return x.load()
	case SlowHeader:
		return x.sleep(x.wait())
	default:
		return true
	}
}

// load waits as long as a model loads.
func (x *exchange) load() bool {
	var done <-chan time.Time
	if x.fault.Wait > 0 {
		timer := time.NewTimer(x.fault.Wait)
		defer timer.Stop()
		done = timer.C
	}
	select {
	case <-done:
		return true
	case <-x.cleared:
		return true
	case <-x.r.Context().Done():
		return false
	}
}

// rows plays the faults inside an answer on its results.
func (x *exchange) rows(rows []row) []row {
	if x.fault == nil || len(rows) == 0 {
		return rows
	}
	rows = slices.Clone(rows)
	last := len(rows) - 1
	switch x.fault.Name {
	case NumberNaN, NumberInfinity, NumberNull, NumberOverflow:
		rows[0].literal = literals[x.fault.Name]
	case WrongIndex:
		rows[0].index = len(rows) + 7
	case DuplicateIndex:
		if last == 0 {
			rows = append(rows, rows[0])
		} else {
			rows[last].index = rows[0].index
		}
	case MissingItem:
		rows = rows[:last]
	case ExtraItem:
		extra := rows[last]
		extra.index = len(rows)
		rows = append(rows, extra)
	case WrongDimensions:
		rows[last] = shorter(rows[last])
	}
	return rows
}

func shorter(r row) row {
	if len(r.vector) > 0 {
		r.vector = r.vector[:len(r.vector)-1]
	}
	if len(r.states) > 0 {
		r.states = slices.Clone(r.states)
		r.states[0] = r.states[0][:len(r.states[0])-1]
	}
	return r
}

// write sends an answer with the wire's faults.
func (x *exchange) write(w http.ResponseWriter, a answer) {
	h := w.Header()
	x.fake.dialect.decorate(h)
	for name, values := range a.header {
		h[name] = values
	}
	if x.fault == nil {
		send(w, a.status, a.body)
		return
	}
	switch x.fault.Name {
	case ResetFirst:
		reset(w)
	case ResetBody:
		sendPart(w, a)
		reset(w)
	case SlowBody:
		x.trickle(w, a)
	case HugeBody:
		x.inflate(w, a)
	case TruncatedJSON:
		send(w, a.status, a.body[:len(a.body)*2/3])
	case EmptyBody:
		send(w, http.StatusOK, nil)
	case WrongType:
		h.Set("Content-Type", "text/html; charset=utf-8")
		send(w, a.status, a.body)
	case Gzipped:
		h.Set("Content-Encoding", "gzip")
		send(w, a.status, compressed(a.body))
	case BadGateway:
		page(w, http.StatusBadGateway)
	case GatewayTimeout:
		page(w, http.StatusGatewayTimeout)
	case Redirected:
		x.redirect(w)
	default:
		send(w, a.status, a.body)
	}
}

func send(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// sendPart sends the header of a whole answer and half its body.
func sendPart(w http.ResponseWriter, a answer) {
	w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body[:len(a.body)/2])
	_ = http.NewResponseController(w).Flush()
}

// reset ends the connection as a process that dies does.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, is := conn.(*net.TCPConn); is {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// trickle sends the body in pieces, all of it in the fault's time.
func (x *exchange) trickle(w http.ResponseWriter, a answer) {
	const pieces = 20
	w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	w.WriteHeader(a.status)
	control := http.NewResponseController(w)
	size := max(1, (len(a.body)+pieces-1)/pieces)
	for piece := range slices.Chunk(a.body, size) {
		_, err := w.Write(piece)
		if err != nil || control.Flush() != nil || !x.sleep(x.wait()/pieces) {
			return
		}
	}
}

// inflate sends the body with so much white space after its first byte that it has the fault's
// size, in chunks, so that no header says so before.
func (x *exchange) inflate(w http.ResponseWriter, a answer) {
	size := x.fault.Bytes
	if size == 0 {
		size = defaultHuge
	}
	if len(a.body) == 0 {
		send(w, a.status, nil)
		return
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body[:1])
	space := bytes.Repeat([]byte{' '}, 64<<10)
	for left := size - len(a.body); left > 0; left -= len(space) {
		if _, err := w.Write(space[:min(left, len(space))]); err != nil {
			return
		}
	}
	_, _ = w.Write(a.body[1:])
}

func compressed(body []byte) []byte {
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	_, _ = z.Write(body)
	_ = z.Close()
	return buf.Bytes()
}

// page is what a reverse proxy says when what is behind it does not.
func page(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "text/html")
	w.Header().Set("Server", "nginx")
	title := fmt.Sprintf("%d %s", status, http.StatusText(status))
	send(w, status, fmt.Appendf(nil, "<html>\r\n<head><title>%s</title></head>\r\n<body>\r\n<center><h1>%s</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n", title, title))
}

func (x *exchange) redirect(w http.ResponseWriter) {
	location := x.fault.Location
	if location == "" {
		location = "http://" + x.r.Host + "/redirected"
	}
	w.Header().Set("Location", location)
	w.Header().Del("Content-Type")
	send(w, http.StatusTemporaryRedirect, nil)
}
