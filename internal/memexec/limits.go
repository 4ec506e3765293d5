package memexec

import "time"

// Limits bound what one run may take. A zero field stands for its default.
type Limits struct {
	Time    time.Duration // from the document's start to the process's end; default a minute
	CPU     time.Duration // of the processor, in whole seconds; default half a minute
	Memory  int64         // bytes that may be written to, beside the executable; default 512 MiB
	Output  int64         // bytes of the answer; default 128 MiB
	Message int64         // bytes on standard error; default 64 KiB
}

func (l Limits) filled() Limits {
	defaults := Limits{time.Minute, 30 * time.Second, 512 << 20, 128 << 20, 64 << 10}
	if l.Time <= 0 {
		l.Time = defaults.Time
	}
	if l.CPU <= 0 {
		l.CPU = defaults.CPU
	}
	if l.Memory <= 0 {
		l.Memory = defaults.Memory
	}
	if l.Output <= 0 {
		l.Output = defaults.Output
	}
	if l.Message <= 0 {
		l.Message = defaults.Message
	}
	return l
}
