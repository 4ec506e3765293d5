package schema

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// Fault is one thing that is wrong with a value.
type Fault struct {
	Path    []string // from the value to what is wrong: names of members, numbers of elements
	Keyword string   // that it breaks; empty for a schema that is false
	Missing []string // of required, and dependentRequired
	Got     any      // of enum the value, of lengths and counts the number
	Want    any      // what the keyword says
	Err     error    // of format: why
}

// String says what is wrong in words that fit any value. It may quote the value.
func (f Fault) String() string {
	switch f.Keyword {
	case "":
		return "nothing is allowed here"
	case "type":
		return fmt.Sprintf("got %v, want %v", f.Got, f.Want)
	case "enum":
		return "value must be one of " + display(f.Want)
	case "const":
		return "value must be " + display(f.Want)
	case "format":
		return fmt.Sprintf("%s is not valid %v: %v", display(f.Got), f.Want, f.Err)
	case "pattern":
		return fmt.Sprintf("%s does not match pattern %s", display(f.Got), quote(fmt.Sprint(f.Want)))
	case "required":
		return "missing properties " + joinQuoted(f.Missing)
	case "dependentRequired":
		return fmt.Sprintf("properties %s required, if %s exists", joinQuoted(f.Missing), display(f.Want))
	case "additionalProperties":
		return "additional properties " + joinQuoted(f.Missing) + " not allowed"
	case "propertyNames":
		return "invalid propertyName " + display(f.Got)
	case "uniqueItems":
		return "items must be unique"
	case "not", "allOf", "anyOf", "oneOf", "contains":
		return quote(f.Keyword) + " failed"
	}
	return fmt.Sprintf("%s: got %s, want %v", f.Keyword, display(f.Got), f.Want)
}

func display(v any) string {
	if s, ok := v.(string); ok {
		return quote(s)
	}
	text, err := json.Marshal(v)
	if err != nil {
		return "?"
	}
	return string(text)
}

func quote(s string) string {
	text := strconv.Quote(s)
	return "'" + strings.ReplaceAll(strings.ReplaceAll(text[1:len(text)-1], `\"`, `"`), "'", `\'`) + "'"
}

func joinQuoted(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = quote(name)
	}
	return strings.Join(quoted, ", ")
}
