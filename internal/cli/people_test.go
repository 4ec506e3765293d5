package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"testing"
)

// A document means the same, and moves no cursor.
func TestJSON(t *testing.T) {
	var out bytes.Buffer
	if JSON(&out) != &out {
		t.Error("what is no terminal gets other bytes than were written")
	}
	text := "{\n\t\"a\": \"\u009b2J\x7f\u0080é\u00a0\"\n}\n"
	n, err := escaping{people{&out}}.Write([]byte(text))
	if want := "{\n\t\"a\": \"\\u009b2J\\u007f\\u0080é\u00a0\"\n}\n"; out.String() != want || n != len(text) || err != nil {
		t.Errorf("got %q, want %q; %d, %v", out.String(), want, n, err)
	}
	var before, after any
	if err := errors.Join(json.Unmarshal([]byte(text), &before), json.Unmarshal(out.Bytes(), &after)); err != nil || !reflect.DeepEqual(before, after) {
		t.Errorf("%v became %v: %v", before, after, err)
	}
}

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
