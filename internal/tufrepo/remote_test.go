package tufrepo

import (
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

func TestRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		for text, want := range map[string]time.Duration{
			"": 0, "0": 0, "-5": 0, "soon": 0, "99999999999999999999": 0, "1": time.Second, "3600": time.Hour,
			now.Add(90 * time.Second).UTC().Format(http.TimeFormat): 90 * time.Second,
			now.Add(-time.Hour).UTC().Format(http.TimeFormat):       0,
		} {
			got, _ := errors.AsType[later](retryAfter(http.Header{"Retry-After": {text}}))
			if time.Duration(got) != want {
				t.Errorf("%q: %v, want %v", text, time.Duration(got), want)
			}
		}
		c := &client{RemoteOptions: RemoteOptions{}.withDefaults()}
		for asked, want := range map[time.Duration]time.Duration{10 * time.Second: 10 * time.Second, time.Hour: longestBackoff} {
			began := time.Now()
			if err := c.wait(t.Context(), 1, &Error{Kind: ErrNetwork, Err: later(asked)}); err != nil || time.Since(began) != want {
				t.Errorf("asked for %v: waited %v, %v", asked, time.Since(began), err)
			}
		}
	})
}

func TestProxyChoice(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "http://from.environment:3128")
	t.Setenv("NO_PROXY", "none.environment")
	setting := &Proxy{URL: "proxy.example:3128", No: []string{"direct.example", ".inside.example", "192.0.2.0/24"}}
	for _, test := range []struct {
		proxy     *Proxy
		url, want string
	}{
		{setting, "https://repo.example/", "http://proxy.example:3128"},
		{setting, "http://repo.example/", "http://proxy.example:3128"},
		{setting, "https://direct.example/", ""},
		{setting, "https://a.inside.example/", ""},
		{setting, "https://192.0.2.7/", ""},
		{setting, "https://127.0.0.1/", ""},
		{&Proxy{}, "https://repo.example/", ""},
		{&Proxy{URL: "http://proxy.example"}, "https://none.environment/", ""},
		{&Proxy{URL: "http://proxy.example", No: []string{"*"}}, "https://repo.example/", ""},
		{nil, "https://repo.example/", "http://from.environment:3128"},
		{nil, "https://none.environment/", ""},
	} {
		req, err := http.NewRequest(http.MethodGet, test.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		chosen, err := test.proxy.choose()(req)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if chosen != nil {
			got = chosen.String()
		}
		if got != test.want {
			t.Errorf("%s with %+v goes through %q, want %q", test.url, test.proxy, got, test.want)
		}
	}
}
