package proxy

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/quadrate-maas/quadrate/models"
)

// The seam of this package: dialects make requests and read answers, an upstream's pool sends
// them, and model stands between the two.

// operation is what an upstream is asked to do.
type operation string

const (
	opEmbed    operation = "embed"
	opTokens   operation = "embed_tokens"
	opRerank   operation = "rerank"
	opClassify operation = "classify"
	opTokenize operation = "tokenize"
	opDecode   operation = "decode"
	opList     operation = "list"
	opProbe    operation = "probe"
)

// request is one HTTP request to an upstream, before it is known which of its addresses gets it.
// It may be sent several times, and read called once for each complete answer with a 2xx status.
type request struct {
	op     operation
	model  string // the upstream's name of the model; for hooks and errors
	method string // empty: POST
	path   string // joined to the base URL's path; with a leading slash
	body   []byte // JSON; nil: none
	// header is beside Content-Type and Accept, which whoever sends sets; it may be nil, and it
	// is not to be written to.
	header http.Header
	// tokens estimates the work, for balancing.
	tokens int
	// foreign says that the request holds fields that nobody here knows: a wrong answer may be what
	// they ask for, and is not held against the address.
	foreign bool
	// gone, when not nil, reports that nobody waits for the answer any more.
	gone func() bool
	// read takes an answer; its error says that the upstream answered wrongly, which counts as a
	// failure of that address and is tried again elsewhere. response.body is good until read
	// returns, or as long as it is held.
	read func(*response) error
}

// response is a complete answer.
type response struct {
	status int
	header http.Header
	body   []byte
	// memory is what body lies in, and held that it is not to be given back when read returns.
	memory *buffer
	held   bool
}

// hold keeps body good beyond read, until what it returns is called.
func (r *response) hold() (release func()) {
	if r.memory == nil {
		return nil
	}
	r.held = true
	return sync.OnceFunc(r.memory.release)
}

// sender sends a request to an upstream, wherever and however often it takes. Its errors are
// *models.Error or the context's.
type sender interface {
	send(ctx context.Context, r *request) error
}

// backend is an upstream as its models see it; the pool implements it.
type backend interface {
	sender
	// status says whether a request could be sent now, and what waits.
	status() models.Status
	// limits bound one request: as configured, else as the server says, else the dialect's.
	limits(op operation) limits
	// model is what the server's list says of a model; false: nothing.
	model(name string) (listed, bool)
}

// modelSpec is what newModel makes a models.Model of: one that has every method, whatever its
// tasks, as models.Entry asks for those first.
type modelSpec struct {
	name string // as clients ask for it
	// upstreamModel is the upstream's name of it, never empty.
	upstreamModel string
	route         Route
	upstream      Upstream
	dialect       dialect
	backend       backend
}

// fault is what a failed answer means.
type fault struct {
	// err is what the client is told; its Backend is filled in by the pool.
	err *models.Error
	// again: another attempt may do better, elsewhere or later.
	again bool
	// sick: the address is to blame, which counts towards its ejection.
	sick bool
}

// limits bound one request to an upstream; what is larger is split. 0: none.
type limits struct {
	items int
	bytes int
}

// call is what a dialect is told beside the request of the models package.
type call struct {
	// model is the upstream's name of the model.
	model string
	// keepAlive is Upstream.KeepAlive.
	keepAlive string
	// labels are the model's, as far as the server's list has them; maxLength is what it takes, 0
	// when that is not known.
	labels    []string
	maxLength int
}

// dialect is how one kind of server is spoken to. It keeps no state and is safe for concurrent
// use. What a server can do beyond this is found by asserting embedding, reranking, and so on.
type dialect interface {
	// limits are those that the server has unless it, or the configuration, says otherwise.
	limits(op operation) limits
	// authorize puts the upstream's key into the header of a request.
	authorize(h http.Header, key string)
	// probe asks whether a server can serve; a 2xx answer that probe.read accepts says yes. It is
	// nil where there is nothing to ask for free.
	probe() *request
	// list asks which models a server has; nil when it cannot tell. found is called once with
	// the answer.
	list(found func(listing)) *request
	// fault reads an answer whose status is not 2xx.
	fault(op operation, r *response) fault
}

// listing is what a server tells of itself.
type listing struct {
	models []listed
	// limits replace the dialect's own where they are not 0.
	limits limits
}

// listed is one model of a server. Zero values: the server does not say.
type listed struct {
	name      string
	tasks     []models.Task
	maxLength int
	created   int64
	// What another Quadrate tells of a model beside; labels TEI, too.
	dimensions int
	scoreKind  models.ScoreKind
	prompts    []string
	labels     []string
	multiLabel bool
}

// embedding is a dialect with vectors. The request's inputs are one part of the client's, within
// the limits. The answer goes to *result whole: len(req.Inputs) vectors or literals, all of one
// length, checked to be finite.
type embedding interface {
	embed(c call, req *models.EmbedRequest, result *embedded) (*request, error)
}

// embedded is a part's answer.
type embedded struct {
	models.EmbedResult
	// length is that of the server's vectors, which the result's were perhaps cut from.
	length int
}

// tokenStates is a dialect with states of tokens.
type tokenStates interface {
	embedTokens(c call, req *models.TokensRequest, result *models.TokensResult) (*request, error)
}

// reranking is a dialect with scores. result.Scores are in the documents' order.
type reranking interface {
	rerank(c call, req *models.RerankRequest, result *models.RerankResult) (*request, error)
}

// classifying is a dialect with labels. A label that the server does not name is empty.
type classifying interface {
	classify(c call, req *models.ClassifyRequest, result *models.ClassifyResult) (*request, error)
}

// patience is a dialect that tells its server for how long an answer is waited for.
type patience interface {
	patience(h http.Header, left time.Duration)
}

// tokenizing is a dialect that shows tokens.
type tokenizing interface {
	tokenize(c call, req *models.TokenizeRequest, result *models.TokenizeResult) (*request, error)
	decode(c call, req *models.DecodeRequest, result *[]string) (*request, error)
}

// joinPath puts a request's path after that of a base URL. Base URLs are often given with the
// version that the paths begin with, as OpenAI's clients want them: it is not said twice.
func joinPath(base, path string) string {
	base = strings.TrimRight(base, "/")
	for _, version := range []string{"/v1", "/v2"} {
		if strings.HasSuffix(base, version) && strings.HasPrefix(path, version+"/") {
			return base + path[len(version):]
		}
	}
	return base + path
}
