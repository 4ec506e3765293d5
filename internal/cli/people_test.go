package cli

import (
	"bytes"
	"fmt"
	"testing"
)

func TestPeople(t *testing.T) {
	var out bytes.Buffer
	if People(&out) != &out {
		t.Error("what is no terminal gets less than was written")
	}
	text := "a\x1b[31m\u009b2J\tb\r\nc  \n"
	n, err := fmt.Fprint(people{&out}, text)
	if want := "a [31m 2J\tb \nc  \n"; out.String() != want || n != len(text) || err != nil {
		t.Errorf("got %q, want %q; %d, %v", out.String(), want, n, err)
	}
}
