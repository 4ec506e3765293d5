package template

// program is a compiled body: of the file, of a block, of an else branch.
type program struct{ nodes []node }

// node is an element of a program: *text, comment, *mustache, *block, *partial or *decorator.
type node any

type (
	// text is printed as it is.
	text struct{ value string }

	// comment prints nothing; it keeps white space on its two sides apart.
	comment struct{}

	// mustache prints a value or calls a helper: {{x}}, {{{x}}}, {{&x}}, {{helper x}}.
	mustache struct {
		call
		unescaped bool
	}

	// block calls a helper with bodies: {{#if x}}…{{else}}…{{/if}}, and {{{{raw}}}}…{{{{/raw}}}}.
	block struct {
		call
		body, inverse *program
		params        []string // as |value key|
	}

	// partial prints a body defined elsewhere: {{> name}}, {{#> name}}default{{/name}}.
	partial struct {
		call
		body   *program // nil without #
		indent string   // put after each line break inside
	}

	// decorator defines something: {{#*inline "name"}}…{{/inline}}.
	decorator struct {
		call
		body *program // nil without #
	}
)

// call is a name with arguments, as it stands in a tag or in parentheses.
type call struct {
	span // of the tag, or of the parentheses
	name expr
	args []expr
	hash []hashArg
}

// nameOnly tells that the call has no arguments, so that it may mean a value.
func (c *call) nameOnly() bool { return len(c.args) == 0 && len(c.hash) == 0 }

type hashArg struct {
	name  string
	value expr
}

// expr is an argument, or the name of a call: a path, a literal or a sub-expression.
type expr struct {
	kind    exprKind
	path    path
	literal any
	sub     *call
}

type exprKind int

const (
	exprName    exprKind = iota // a plain name, in path.raw: of a helper, a partial, a decorator
	exprPath                    // path
	exprLiteral                 // literal
	exprSub                     // sub
)

// path leads to a value.
type path struct {
	raw   string
	root  bool // @root.…
	local bool // @index, @../key: names[0] is a variable of a block
	up    int  // how many ../
	names []string
}
