// Package wire is what the agent in a virtual machine and the tests outside say
// to each other: JSON messages, a line each, over a serial line.
package wire

// Request asks the agent to run a command.
type Request struct {
	ID    int      `json:"id"` // from 1 on
	Args  []string `json:"args"`
	Input string   `json:"input,omitempty"`
}

// Answer is what came of a request, or, with the ID 0, a greeting.
type Answer struct {
	ID     int    `json:"id"`
	Boot   string `json:"boot,omitempty"` // of a greeting: the kernel's id of this boot
	Code   int    `json:"code"`           // exit code; -1: the command was not run, or killed
	Stdout string `json:"stdout"`
	Stderr string `json:"stderr"`
}
