package tufrepo

import (
	"net/http"
	"testing"
)

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
