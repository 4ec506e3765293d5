package slot

// Word is the attribute word of a boot partition, or of the private one.
//
//	bits 48–51  priority: the highest boots; 0: never
//	bits 52–55  tries left: taken down by the boot loader at each boot
//	bit  56     successful: it has booted well
//	bit  57     boot ever succeeded: of the private partition only
//
// All other bits are kept as they are.
type Word uint64

const (
	priorityAt  = 48
	triesAt     = 52
	successful  = Word(1) << 56
	everBooted  = Word(1) << 57
	fieldMask   = Word(15)
	maxOfFields = 15
)

// Priority is 0 to 15.
func (w Word) Priority() int { return int(w >> priorityAt & fieldMask) }

// Tries is how many times the boot loader may still try it, 0 to 15.
func (w Word) Tries() int { return int(w >> triesAt & fieldMask) }

// Successful tells whether it has booted well.
func (w Word) Successful() bool { return w&successful != 0 }

// EverBooted tells whether any set has ever booted well, of a private partition's word.
func (w Word) EverBooted() bool { return w&everBooted != 0 }

// Bootable tells whether it may be tried: it has tries left or has booted well.
// Without a priority it does not boot all the same.
func (w Word) Bootable() bool { return w.Tries() > 0 || w.Successful() }

// Valid tells whether a set is written, and waits to be activated.
func (w Word) Valid() bool { return w.Priority() == 0 && w.Tries() > 0 && !w.Successful() }

func (w Word) withPriority(n int) Word { return w.with(priorityAt, n) }
func (w Word) withTries(n int) Word    { return w.with(triesAt, n) }

func (w Word) with(at, n int) Word {
	return w&^(fieldMask<<at) | Word(max(0, min(n, maxOfFields)))<<at
}

func (w Word) withSuccessful(yes bool) Word {
	if yes {
		return w | successful
	}
	return w &^ successful
}
