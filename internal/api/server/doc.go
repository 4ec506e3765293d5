// Package server answers the HTTP API on a Unix socket: the reference's routes
// with its statuses, texts and content types, and our own beside them.
//
// Start with the route table in routes.go: method, path, role and handler of
// every route stand there side by side; the rest of the package is what a
// handler may use. [New] makes a [Server] from an open store, an engine and a
// model; [Server.Serve] and [Server.Shutdown] run it on a listener.
//
// It deliberately decides nothing about settings: values are judged by the
// model, kept by the datastore and applied by the engine. It opens no socket
// and reads no flags; that is the program's part (internal/apiserver).
package server
