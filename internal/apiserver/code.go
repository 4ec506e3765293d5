package apiserver

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// giveBackCode drops the pages of the program's own file from the process. The
// kernel maps up to sixteen for each that is touched, and starting touches much
// that is never needed again. What is needed comes back from the page cache.
//
// Only mappings that cannot be written and hold no page that differs from the
// file are dropped (smaps in proc(5), MADV_DONTNEED in madvise(2)).
func giveBackCode() error {
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("give back code: %w", err)
	}
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		return fmt.Errorf("give back code: %w", err)
	}
	defer f.Close()
	var m mapping
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if next, ok := parseMapping(lines.Text()); ok {
			m = next
			continue
		}
		own, ok := strings.CutPrefix(lines.Text(), "Anonymous:") // pages that are no longer the file's
		if ok && strings.TrimSpace(own) == "0 kB" && m.path == program && !strings.Contains(m.access, "w") {
			if err := m.drop(); err != nil {
				return err
			}
		}
	}
	return lines.Err()
}

// mapping is one line of /proc/PID/maps.
type mapping struct {
	start, end uintptr
	access     string // such as r-xp
	path       string
}

func parseMapping(line string) (mapping, bool) {
	fields := strings.Fields(line)
	if len(fields) < 6 {
		return mapping{}, false
	}
	low, high, _ := strings.Cut(fields[0], "-")
	start, err := strconv.ParseUint(low, 16, 64)
	if err != nil {
		return mapping{}, false
	}
	end, err := strconv.ParseUint(high, 16, 64)
	if err != nil {
		return mapping{}, false
	}
	return mapping{uintptr(start), uintptr(end), fields[1], fields[5]}, true
}

func (m mapping) drop() error {
	if _, _, errno := unix.Syscall(unix.SYS_MADVISE, m.start, m.end-m.start, unix.MADV_DONTNEED); errno != 0 {
		return fmt.Errorf("give back code: %w", errno)
	}
	return nil
}
