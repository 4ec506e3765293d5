package server

import (
	"net/http"
	"strconv"

	"github.com/hostler-os/hostler/internal/api"
)

// Content types as header values. noType keeps net/http from guessing one.
var (
	noType    []string
	jsonType  = []string{"application/json"}
	plainType = []string{"text/plain; charset=utf-8"}
)

// write answers with a whole body.
func write(w http.ResponseWriter, status int, contentType []string, body []byte) {
	h := w.Header()
	h["Content-Type"] = contentType
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(status)
	_, _ = w.Write(body) // the peer is gone; nobody is left to tell
}

// writeRaw answers 200 with a document that is JSON already.
func writeRaw(w http.ResponseWriter, doc []byte) error {
	write(w, http.StatusOK, jsonType, doc)
	return nil
}

// writeJSON answers with v as JSON. v is one of ours, so it can always be encoded.
func writeJSON(w http.ResponseWriter, status int, v any) {
	doc, err := api.Marshal(v)
	if err != nil {
		status, doc = http.StatusInternalServerError, []byte(`{"code":"internal","message":"encode answer"}`)
	}
	write(w, status, jsonType, doc)
}

// answer is writeJSON with 200, for handlers.
func answer(w http.ResponseWriter, v any) error {
	doc, err := api.Marshal(v)
	if err != nil {
		return err
	}
	return writeRaw(w, doc)
}

// noContent answers 204.
func noContent(w http.ResponseWriter) error {
	w.WriteHeader(http.StatusNoContent)
	return nil
}
