package server

import (
	"net/http"
	"net/http/httptest"
	"strings"
)

func newProbe() *httptest.ResponseRecorder { return httptest.NewRecorder() }

func probeRequest(rt *route) *http.Request {
	return httptest.NewRequest(rt.method, strings.ReplaceAll(rt.path, "{id}", "1"), nil)
}
