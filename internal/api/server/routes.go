package server

import (
	"net/http"

	"github.com/hostler-os/hostler/internal/api"
)

// dialect is how a route words its refusals.
type dialect uint8

const (
	// reference routes answer errors as the reference words them, plain text.
	reference dialect = iota
	// ours answer errors as a JSON api.Error and refuse unknown parameters.
	ours
)

// A handler answers one request. It writes its answer only when nothing can
// go wrong any more; otherwise it returns what went wrong and the server words
// it in the dialect of the route.
type handler func(s *Server, w http.ResponseWriter, r *http.Request) error

// A route is one line of the table. params names the query parameters, as in
// docs/openapi.yaml, which a test holds to this table.
type route struct {
	method, path string
	role         api.Role
	dialect      dialect
	params       []string
	handle       handler
}

// name is the route as metrics and logs call it.
func (r *route) name() string { return r.method + " " + r.path }

// routes is the whole API. A path that is not here, or a known one with another method, is 404.
func routes() []route {
	return []route{
		{"GET", "/", api.RoleRead, reference, []string{"prefix"}, (*Server).getRoot},
		{"GET", "/settings", api.RoleRead, reference, []string{"keys", "prefix"}, (*Server).getSettings},
		{"PATCH", "/settings", api.RoleWrite, reference, []string{"tx", "strength"}, (*Server).patchSettings},
		{"PATCH", "/settings/keypair", api.RoleWrite, reference, []string{"tx", "strength"}, (*Server).patchKeyPairs},
		{"GET", "/tx/list", api.RoleRead, reference, nil, (*Server).listTransactions},
		{"GET", "/tx", api.RoleRead, reference, []string{"tx"}, (*Server).getTransaction},
		{"GET", "/v2/tx", api.RoleRead, reference, []string{"tx"}, (*Server).getTransactionV2},
		{"DELETE", "/tx", api.RoleWrite, reference, []string{"tx"}, (*Server).deleteTransaction},
		{"POST", "/tx/commit", api.RoleWrite, reference, []string{"tx", "layer"}, (*Server).commit},
		{"POST", "/tx/apply", api.RoleWrite, reference, []string{"keys"}, (*Server).applyKeys},
		{"POST", "/tx/commit_and_apply", api.RoleWrite, reference, []string{"tx", "layer"}, (*Server).commitAndApply},
		{"GET", "/os", api.RoleRead, reference, []string{"prefix"}, (*Server).getOS},
		{"GET", "/metadata/affected-services", api.RoleRead, reference, []string{"keys"}, (*Server).getAffectedServices},
		{"GET", "/metadata/setting-generators", api.RoleRead, reference, nil, (*Server).getGenerators},
		{"GET", "/v2/metadata/setting-generators", api.RoleRead, reference, nil, (*Server).getGeneratorsV2},
		{"GET", "/metadata/templates", api.RoleRead, reference, []string{"keys"}, (*Server).getTemplates},
		{"GET", "/services", api.RoleRead, reference, []string{"names", "prefix"}, (*Server).getServices},
		{"GET", "/configuration-files", api.RoleRead, reference, []string{"names", "prefix"}, (*Server).getConfigurationFiles},
		{"POST", "/actions/reboot", api.RoleAdmin, reference, []string{"mode"}, (*Server).reboot},

		{"POST", "/actions/refresh-updates", api.RoleAdmin, reference, nil, updateAction(api.UpdateRefresh)},
		{"POST", "/actions/prepare-update", api.RoleAdmin, reference, nil, updateAction(api.UpdatePrepare)},
		{"POST", "/actions/activate-update", api.RoleAdmin, reference, []string{"force"}, (*Server).activateUpdate},
		{"POST", "/actions/deactivate-update", api.RoleAdmin, reference, nil, updateAction(api.UpdateDeactivate)},
		{"POST", "/actions/ephemeral-storage/init", api.RoleAdmin, reference, nil, (*Server).later},
		{"POST", "/actions/ephemeral-storage/bind", api.RoleAdmin, reference, nil, (*Server).later},
		{"GET", "/actions/ephemeral-storage/list-disks", api.RoleRead, reference, []string{"format"}, (*Server).later},
		{"GET", "/actions/ephemeral-storage/list-dirs", api.RoleRead, reference, []string{"format"}, (*Server).later},
		{"GET", "/updates/status", api.RoleRead, reference, nil, (*Server).updateStatus},
		{"GET", execPath, api.RoleAdmin, reference, nil, (*Server).later},
		{"GET", "/report", api.RoleRead, reference, nil, (*Server).later},
		{"GET", "/report/cis", api.RoleRead, reference, []string{"level", "format", "type"}, (*Server).later},
		{"GET", "/report/fips", api.RoleRead, reference, []string{"format"}, (*Server).later},

		{"GET", "/whoami", api.RoleNone, ours, nil, (*Server).whoami},
		{"GET", "/explain", api.RoleRead, ours, []string{"key"}, (*Server).explain},
		{"GET", "/schema", api.RoleRead, ours, nil, (*Server).getSchema},
		{"GET", "/keys", api.RoleRead, ours, nil, (*Server).getKeys},
		{"GET", "/origins", api.RoleRead, ours, []string{"prefix", "layer"}, (*Server).getOrigins},
		{"GET", "/history", api.RoleRead, ours, []string{"key", "before", "limit"}, (*Server).getHistory},
		{"POST", "/plan", api.RoleWrite, ours, nil, (*Server).plan},
		{"POST", "/changes", api.RoleWrite, ours, []string{"wait"}, (*Server).submit},
		{"GET", "/changes", api.RoleRead, ours, []string{"before", "limit"}, (*Server).listChanges},
		{"GET", "/changes/{id}", api.RoleRead, ours, []string{"wait"}, (*Server).getChange},
		{"POST", "/changes/{id}/confirm", api.RoleWrite, ours, nil, (*Server).confirm},
		{"POST", "/changes/{id}/undo", api.RoleWrite, ours, []string{"wait"}, (*Server).undo},
		{"GET", "/events", api.RoleRead, ours, []string{"change"}, (*Server).events},
		{"GET", "/updates", api.RoleRead, ours, nil, (*Server).updatesOverview},
		{"GET", "/updates/history", api.RoleRead, ours, nil, (*Server).updateHistory},
		{"GET", "/updates/events", api.RoleRead, ours, nil, (*Server).updateEvents},
		{"POST", "/updates/cancel", api.RoleAdmin, ours, nil, (*Server).cancelUpdate},
		{"POST", "/lint", api.RoleRead, ours, []string{"variant"}, (*Server).lint},
		{"GET", "/boots", api.RoleRead, ours, nil, (*Server).listBoots},
		{"GET", "/boots/{id}", api.RoleRead, ours, nil, (*Server).getBoot},
		{"GET", "/migrations", api.RoleRead, ours, nil, (*Server).listMigrations},
		{"GET", "/health", api.RoleRead, ours, nil, (*Server).getHealth},
		{"GET", "/metrics", api.RoleRead, ours, nil, (*Server).getMetrics},
	}
}

// execPath alone answers a wrong method with 405: the reference serves it outside of a scope.
const execPath = "/exec"
