package template

// The limits. They are far above what any configuration file needs; they are
// there so that a template, which may come from a package or a setting's
// metadata, cannot exhaust the program that renders it.
const (
	maxSource = 1 << 20    // bytes of a template file
	maxOutput = 16 << 20   // bytes of rendered text
	maxDepth  = 100        // blocks, sub-expressions, literals and partials inside one another
	maxSteps  = 10_000_000 // elements rendered, counting each turn of a loop
)
