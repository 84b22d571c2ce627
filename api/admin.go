package api

import (
	"context"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/quadrate-maas/quadrate/models"
)

// Admin is what admins may ask of the program, and what it tells of itself. Its errors are shown
// to admins as they are.
type Admin interface {
	// Reload reads the configuration anew and puts it in force; on an error the old one stays.
	// The report is answered as JSON.
	Reload(ctx context.Context) (report any, err error)
	// Load and Unload take a model, by its entry's name, into memory and out of it: a local one,
	// or the container that it runs in (models.Entry.Lifecycle). They return once that is done,
	// which may take minutes; a model that is neither is KindInvalid. The context is the server's,
	// so that what was begun goes on when who asked for it has left, and ends with Server.Drain.
	Load(ctx context.Context, model string) error
	Unload(ctx context.Context, model string) error
	// Logs returns the last lines, of 1 to 10000, that the model's container has written. A model
	// that this server runs in none is KindInvalid.
	Logs(ctx context.Context, model string, lines int) (string, error)
	// Upstreams tells how the upstreams are; it must not wait for them.
	Upstreams() []Upstream
	// LastReload is the last reload's outcome; nil: there was none.
	LastReload() *Reload
}

// Upstream is another server at one moment.
type Upstream struct {
	Name, Type       string
	InFlight, Queued int
	// State is that of the container that it runs in (models.Container), if this server starts and
	// stops it; else empty. OnDemand says that requests have a chance though it does not serve
	// (models.Status.CanServe).
	State     string
	OnDemand  bool
	Endpoints []Endpoint
}

// Endpoint is one address of an upstream at one moment.
type Endpoint struct {
	URL string
	// State is ready where it can serve, else a word that says why not, and Reason more of that.
	State, Reason string
	InFlight      int
	// Latency is the moving average of its answers' times, LastProbe when its health was last
	// asked; zero: not known, never.
	Latency   time.Duration
	LastProbe time.Time
}

// Reload is the outcome of a reload of the configuration.
type Reload struct {
	At time.Time `json:"at"`
	OK bool      `json:"ok"`
	// Problems say why the old configuration is still in force.
	Problems []string `json:"problems,omitempty"`
}

// ready reports whether an upstream can serve, or will when it is asked to.
func (u Upstream) ready() bool {
	if u.State != "" && u.State != string(models.StateReady) {
		return u.OnDemand
	}
	for _, e := range u.Endpoints {
		if e.State == string(models.StateReady) {
			return true
		}
	}
	return false
}

// adminRoutes are for callers whose key says so, and answer to nobody else.
func (s *Server) adminRoutes() {
	s.admin(fiber.MethodGet, "/admin/models", (*call).adminModels)
	s.admin(fiber.MethodPost, "/admin/models/*/load", func(x *call, ctx context.Context) error {
		return x.onModel(ctx, s.options.Admin.Load)
	})
	s.admin(fiber.MethodPost, "/admin/models/*/unload", func(x *call, ctx context.Context) error {
		return x.onModel(ctx, s.options.Admin.Unload)
	})
	s.admin(fiber.MethodGet, "/admin/models/*/logs", (*call).adminLogs)
	s.admin(fiber.MethodPost, "/admin/reload", (*call).adminReload)
}

// admin adds a route whose handler is given the server's context: to load a model may take
// longer than a request may.
func (s *Server) admin(method, pattern string, h func(x *call, ctx context.Context) error) { //nolint:revive // a method expression
	s.app.Add(method, pattern, func(c *fiber.Ctx) error {
		x := callOf(c)
		x.event.Route = pattern
		ctx := x.trace(s.changes)
		if err := x.identify(); err != nil {
			return err
		}
		if x.who == nil || !x.who.Admin {
			x.event.Refused = "admin"
			return &refusal{row: rowAdmin, message: "this route is for API keys with admin: true (auth.yaml)"}
		}
		return h(x, ctx)
	})
}

// adminModel is a model as an admin sees it.
type adminModel struct {
	modelHealth
	Aliases   []string        `json:"aliases"`
	Cache     cacheHealth     `json:"cache"`
	Container *adminContainer `json:"container,omitempty"`
}

type cacheHealth struct {
	Hits      uint64 `json:"hits"`
	Shared    uint64 `json:"shared"`
	Misses    uint64 `json:"misses"`
	Fresh     uint64 `json:"fresh"`
	Evictions uint64 `json:"evictions"`
	Bytes     int64  `json:"bytes"`
	Entries   int64  `json:"entries"`
}

func (s *Server) describeForAdmin(e models.Entry) adminModel {
	status := e.Model.Status()
	m := adminModel{modelHealth: s.healthOf(e), Aliases: e.Aliases, Cache: cacheHealth(status.Cache), Container: describeContainerForAdmin(status.Container)}
	if m.Aliases == nil {
		m.Aliases = []string{}
	}
	return m
}

func (x *call) adminModels(context.Context) error {
	s, o := x.server, x.server.options
	list, upstreams := []adminModel{}, []upstreamHealth{}
	for _, e := range o.Catalog.Listed() {
		list = append(list, s.describeForAdmin(e))
	}
	for _, u := range o.Admin.Upstreams() {
		upstreams = append(upstreams, u.health(true))
	}
	x.send(fiber.StatusOK, marshal(struct {
		Models    []adminModel     `json:"models"`
		Upstreams []upstreamHealth `json:"upstreams"`
		Reload    *Reload          `json:"last_reload"`
	}{list, upstreams, o.Admin.LastReload()}))
	return nil
}

// modelInPath finds the model that the path names.
func (x *call) modelInPath() (models.Entry, error) {
	entry, err := x.server.options.Catalog.Lookup(x.pathModel())
	x.event.Model = entry.Name
	return entry, err
}

// onModel does something to the model in the path and answers how the model is then.
func (x *call) onModel(ctx context.Context, do func(ctx context.Context, model string) error) error {
	entry, err := x.modelInPath()
	if err != nil {
		return err
	}
	switch err := do(ctx, entry.Name); {
	case err != nil && ctx.Err() != nil:
		return models.Errorf(models.KindShuttingDown, "").Because(err)
	case err != nil:
		return err
	}
	if entry, err = x.server.options.Catalog.Lookup(entry.Name); err != nil {
		return err
	}
	x.send(fiber.StatusOK, marshal(x.server.describeForAdmin(entry)))
	return nil
}

func (x *call) adminReload(ctx context.Context) error {
	report, err := x.server.options.Admin.Reload(ctx)
	switch {
	case err != nil && ctx.Err() != nil:
		return models.Errorf(models.KindShuttingDown, "").Because(err)
	case err != nil:
		return &refusal{row: rowReload, message: "the old configuration stays in force: " + err.Error(), cause: err}
	}
	x.send(fiber.StatusOK, marshal(report))
	return nil
}
