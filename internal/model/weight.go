package model

import (
	"fmt"

	"github.com/hostler-os/hostler/internal/schema"
)

// maxWeight bounds the subschemas of a group's schema, each counted as often as
// it is referred to: a few references to references multiply to more work than
// any host can do. The heaviest group of ours is a thousandth of it.
const maxWeight = 1_000_000

// weight counts s and the subschemas that a value may be checked against.
func (c *compiler) weight(s *schema.Schema) (int, error) {
	if w, ok := c.weights[s]; ok {
		return w, nil
	}
	c.open[s] = true
	defer delete(c.open, s)
	total := 1
	for _, sub := range s.Subschemas() {
		if c.open[sub] {
			return 0, fmt.Errorf("%s contains itself; settings have a finite depth", s.Location)
		}
		w, err := c.weight(sub)
		if err != nil {
			return 0, err
		}
		if total += w; total > maxWeight {
			return 0, fmt.Errorf("%s: its references multiply to more than %d schemas", s.Location, maxWeight)
		}
	}
	c.weights[s] = total
	return total, nil
}
