package update

import "fmt"

// fixed is fmt.Errorf for the texts that the reference's users know, which
// begin with a capital letter.
func fixed(format string, args ...any) error { return fmt.Errorf(format, args...) }
