package health

import (
	"fmt"

	"github.com/hostler-os/hostler/internal/slot"
)

// Decide tells whether a host whose boot was bad is to reboot, and why or why
// not. It is left as it is if it was good before, since the fault is then not
// the slot's, and if a reboot would lead nowhere.
func Decide(p Policy, s slot.State) (reboot bool, why string) {
	switch next, ok := s.Next(); {
	case s.Good():
		return false, fmt.Sprintf("slot %s has booted well before: the host stays up", s.Active)
	case !p.FallBack:
		return false, "falling back is switched off: the host stays up"
	case !ok:
		return false, "no slot would boot: the host stays up"
	case next == s.Active && s.Sets[next].Tries() > 0:
		return true, fmt.Sprintf("slot %s has %d tries left: the host reboots and tries again", next, s.Sets[next].Tries())
	case next == s.Active:
		return false, "there is no other slot to go to: the host stays up"
	default:
		return true, fmt.Sprintf("slot %s has never booted well: the host reboots into slot %s", s.Active, next)
	}
}
