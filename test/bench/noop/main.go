// Command noop does nothing: it is what starting a Go program costs at least.
package main

func main() {}
