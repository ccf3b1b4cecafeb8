package api

import (
	"log/slog"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/prometheus/client_golang/prometheus"

	"chancery/core"
	"chancery/core/live"
)

// Config is what the interface calls. Core and Gate are required; the routes of
// a noun whose service is nil do not exist.
type Config struct {
	Core      *core.Service
	Gate      *core.Gate
	Live      *live.Hub
	Holds     Holds
	Retention Retention
	Exports   Exports
	Records   Records // the organisation's log
	Following Following

	Ready   func(*http.Request) error // nil: always ready
	MaxFile int64                     // bytes of one sealed file
	Limits  Limits
	Metrics prometheus.Registerer // nil: none are kept
	Log     *slog.Logger
}

// API is the HTTP interface.
type API struct {
	Config
	huma    huma.API
	table   *table
	metrics *metrics
	paces   *paces
	handler http.Handler
}

// New registers every route. It panics when one names no action.
func New(c Config) *API {
	a := &API{Config: c, metrics: newMetrics(c.Metrics), paces: newPaces(c.Limits)}
	a.table = &table{ServeMux: http.NewServeMux(), api: a, routes: map[string]route{}}
	a.huma = humago.New(a.table, description())
	a.health()
	a.session()
	a.org()
	a.people()
	a.devices()
	a.teams()
	a.channels()
	a.notices()
	a.files()
	a.live()
	a.records()
	a.following()
	a.holds()
	a.retention()
	a.exports()
	a.handler = a.observe(a.table)
	return a
}

// description is the head of the OpenAPI document. Nothing is served by huma
// itself: its documentation pages would load scripts from elsewhere.
func description() huma.Config {
	c := huma.DefaultConfig("Chancery", "1")
	c.OpenAPIPath, c.DocsPath, c.SchemasPath, c.CreateHooks = "", "", "", nil
	c.Formats = map[string]huma.Format{"application/json": strictJSON, "json": strictJSON}
	c.NoFormatFallback = false
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"session": {Type: "http", Scheme: "bearer", Description: "the token of POST /v1/session"},
	}
	return c
}

func (a *API) schemas() huma.Registry { return a.huma.OpenAPI().Components.Schemas }

// OpenAPI is the description of every route, as JSON.
func (a *API) OpenAPI() ([]byte, error) { return a.huma.OpenAPI().MarshalJSON() }

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.handler.ServeHTTP(w, r) }
