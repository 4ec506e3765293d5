package schnauzer

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/api/client"
	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/template"
	"github.com/hostler-os/hostler/internal/template/hostfacts"
)

// model is the answer of GET /: what templates see.
type model struct {
	Settings           map[string]any `json:"settings"`
	Services           map[string]any `json:"services"`
	ConfigurationFiles map[string]any `json:"configuration-files"`
	OS                 map[string]any `json:"os"`
}

// Moment is what the server has at one moment, for all runs that shall see the
// same, such as generators that run side by side. The zero value has nothing yet.
type Moment struct {
	mu    sync.Mutex
	model *model
}

// get fetches the model unless it is there. What fails is tried again by the next run.
func (m *Moment) get(ctx context.Context, a *app) (*model, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.model == nil {
		fetched := new(model)
		if err := a.fetch(ctx, "/", fetched); err != nil {
			return nil, err
		}
		m.model = fetched
	}
	return m.model, nil
}

func (a *app) fetch(ctx context.Context, uri string, into any) error {
	body, err := a.ask(ctx, uri)
	if err != nil {
		return err
	}
	if err := decodeJSON(body, into); err != nil {
		return fmt.Errorf("read the answer of GET %s: %w", uri, err)
	}
	return nil
}

// maxLives is how many lives of the server may end before one has answered.
const maxLives = 5

// ask sends a GET until it is answered: a server that dies drops whom it has
// not answered, while systemd keeps its socket for the next life. One that
// cannot be reached is not waited for.
func (a *app) ask(ctx context.Context, uri string) ([]byte, error) {
	for life := 1; ; life++ {
		body, err := a.client().Request(ctx, http.MethodGet, uri, nil)
		_, unanswered := errors.AsType[*client.RequestError](err)
		_, unreachable := errors.AsType[*client.ConnectError](err)
		if !unanswered || unreachable || life == maxLives || ctx.Err() != nil {
			return body, err
		}
	}
}

// renderSetting renders the template that the model has for a key. It sees the
// whole model and every helper, as before templates said what they need.
func (a *app) renderSetting(ctx context.Context, key string) error {
	uri := "/metadata/templates?" + url.Values{"keys": {key}}.Encode()
	templates := make(map[string]string)
	if err := a.fetch(ctx, uri, &templates); err != nil {
		return err
	}
	text, ok := templates[key]
	if !ok {
		return fmt.Errorf("%s has no template", key)
	}
	t, err := template.ParseLegacy("template of "+key, text)
	if err != nil {
		return err
	}
	return a.renderOnline(ctx, t)
}

// renderText renders a body given on the command line.
func (a *app) renderText(ctx context.Context, body string, requires []string) error {
	parsed := make([]template.Requirement, len(requires))
	for i, text := range requires {
		var err error
		if parsed[i], err = template.ParseRequirement(text); err != nil {
			return usagef("%v", err)
		}
	}
	t, err := template.ParseBody("--template", body, parsed)
	if err != nil {
		return err
	}
	return a.renderOnline(ctx, t)
}

// renderFile renders a template file.
func (a *app) renderFile(ctx context.Context, path string) error {
	t, err := a.parseFile(path)
	if err != nil {
		return err
	}
	return a.renderOnline(ctx, t)
}

// renderOnline renders with what the server has, and prints a JSON string.
func (a *app) renderOnline(ctx context.Context, t *template.Template) error {
	m, err := a.moment.get(ctx, a)
	if err != nil {
		return err
	}
	text, err := t.Render(template.Data{
		Settings: m.Settings,
		OS:       m.OS,
		Extra:    map[string]any{"services": m.Services, "configuration-files": m.ConfigurationFiles},
		System:   hostfacts.Read(a.paths()),
	})
	if err != nil {
		return err
	}
	quoted, err := api.Marshal(string(text))
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(cli.JSON(a.Out), "%s\n", quoted)
	return err
}
