package model

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// What hosts accept beyond a setting's stored form, and what they refuse beyond
// its schema, in the words of JSON Schema. The tests hold this to what
// [Model.ParseTree] says.

// shapes are what JSON Schema can say of our formats. None refuses what the
// format accepts.
var shapes = map[string]string{
	"hostler-base64":            `{"pattern":"^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=|[A-Za-z0-9+/][AQgw]==)?$"}`,
	"hostler-pem-certificates":  `{"pattern":"^[A-Za-z0-9+/]*={0,2}$|^[^!-~]*$"}`,
	"hostler-window":            `{"pattern":"^[+]?([0-9.]+(h|m|s|ms|us|µs|μs|ns))+$"}`,
	"hostler-hostname":          `{"pattern":"^[0-9a-z][0-9a-z-]{0,62}(\\.[0-9a-z][0-9a-z-]{0,62})*$","maxLength":253}`,
	"hostler-dns-domain":        `{"pattern":"^[^.\\t\\n\\r #/:<>?@\\[\\]\\\\^|][^\\t\\n\\r #/:<>?@\\[\\]\\\\^|]*$"}`,
	"hostler-ip":                `{"pattern":"^[0-9A-Fa-f.:]+$"}`,
	"hostler-url":               `{"minLength":1}`,
	"hostler-version":           `{"pattern":"^latest$|^v?[0-9]+\\.[0-9]+\\.[0-9]+(-[0-9A-Za-z.-]+)?([+][0-9A-Za-z.-]+)?$"}`,
	"hostler-integer-percent":   `{"minimum":0,"maximum":100,"pattern":"^[+]?0*([0-9]{1,2}|100)$|^-0+$"}`,
	"hostler-apiclient-command": `{"prefixItems":[{"const":"apiclient"}],"minItems":1}`,
}

// describeFormat adds what can be said of a format, where the schema does not say it itself.
func (o object) describeFormat() object {
	format := o.get("format")
	if format == nil {
		return o
	}
	for _, f := range fields(jsontext.Value(shapes[unquoted(format)])) {
		if o.get(f.name) == nil {
			o = append(o, f)
		}
	}
	return o
}

// nameKeys says which names of a map can be part of a key: [key.FromSegments]
// refuses all others. A name with a dot stands in quotes there.
func (o object) nameKeys(p site) object {
	if p.room == 0 || o.get("additionalProperties").Kind() != '{' {
		return o
	}
	most := max(1, p.room-len("."))
	rule := object{{"pattern", quoted(fmt.Sprintf("^([A-Za-z0-9_/-]{1,%d}|[A-Za-z0-9_./-]{1,%d})$", most, max(1, most-len(`""`))))}}.text()
	if names := o.get("propertyNames"); names != nil {
		rule = object{{"allOf", list(names, rule)}}.text()
	}
	return o.with("propertyNames", rule)
}

// alias gives members their other names.
func (o object) alias() object {
	properties, required := fields(o.get("properties")), unquotedAll(o.get("required"))
	var rules []jsontext.Value
	for _, member := range slices.Clone(properties) {
		schema := fields(member.value)
		aliases := unquotedAll(schema.get(keywordAliases))
		if len(aliases) == 0 {
			continue
		}
		for _, name := range aliases {
			same := schema.without(keywordAliases).with("description", quoted("Another name of "+member.name+"."))
			properties = append(properties, entry{name, same.text()})
		}
		rules = append(rules, oneName(append(aliases, member.name), slices.Contains(required, member.name)))
		required = slices.DeleteFunc(required, func(name string) bool { return name == member.name })
	}
	if rules == nil {
		return o
	}
	o = o.with("properties", properties.text()).with("allOf", list(append(elements(o.get("allOf")), rules...)...))
	if o.get("required") != nil {
		o = o.with("required", list(quotedAll(required)...))
	}
	return o
}

// oneName says that a member is given by one of its names, or by none unless it is required.
func oneName(names []string, required bool) jsontext.Value {
	var each []jsontext.Value
	for _, name := range names {
		each = append(each, object{{"required", list(quoted(name))}}.text())
	}
	if !required {
		each = append(each, object{{"not", object{{"anyOf", list(each...)}}.text()}}.text())
	}
	return object{{"oneOf", list(each...)}}.text()
}

// annotations are the keywords for people.
var annotations = []string{"title", "description", "examples", "default", "deprecated"}

// orForms lets other forms stand in the place of what o describes. What people
// read stays outside of the choice.
func (o object) orForms(forms []jsontext.Value) object {
	if forms == nil {
		return o
	}
	var words, rules object
	for _, f := range o {
		if slices.Contains(annotations, f.name) || strings.HasPrefix(f.name, "x-") {
			words = append(words, f)
		} else {
			rules = append(rules, f)
		}
	}
	return append(words, entry{"anyOf", list(append([]jsontext.Value{rules.text()}, forms...)...)})
}

// forms are the other forms of a list.
func (b *bundle) forms(in object, p site) []jsontext.Value {
	var out []jsontext.Value
	if string(in.get(keywordListFromOne)) == "true" {
		out = append(out, object{{"type", quoted("string")}, {"allOf", list(b.part(in, p, "items"))}}.text())
	}
	if names := fields(in.get(keywordListFromMap)); names != nil {
		form := object{
			{"type", quoted("object")},
			{"propertyNames", b.part(in, p, "items", "properties", unquoted(names.get("key")))},
			{"additionalProperties", b.part(in, p, "items", "properties", unquoted(names.get("value")))},
		}
		for _, count := range [][2]string{{"minItems", "minProperties"}, {"maxItems", "maxProperties"}} {
			if bound := b.part(in, p, count[0]); bound.Kind() == '0' {
				form = append(form, entry{count[1], bound})
			}
		}
		out = append(out, form.text())
	}
	return out
}

// part copies a schema inside of another one, or inside of what that refers to.
func (b *bundle) part(in object, p site, path ...string) jsontext.Value {
	text := jsontext.Value("true")
	for _, name := range path {
		for in.get(name) == nil && in.get("$ref") != nil {
			in, p = b.target(unquoted(in.get("$ref")), p)
		}
		if text = in.get(name); text == nil {
			return jsontext.Value("true")
		}
		in = fields(text)
	}
	return b.schema(text, p.inside())
}

// target is the schema that ref means at p. [Load] has seen to it that it exists.
func (b *bundle) target(ref string, p site) (object, site) {
	if pointer, ok := strings.CutPrefix(ref, "../types.json"); ok {
		ref, p = pointer, site{file: typesFile, at: "#"}
	}
	text := jsontext.Value(b.model.files[p.file])
	for token := range jsontext.Pointer(strings.TrimPrefix(ref, "#")).Tokens() {
		text = fields(text).get(token)
	}
	return fields(text), p
}
