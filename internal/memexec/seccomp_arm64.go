package memexec

import "golang.org/x/sys/unix"

// machine is the only one whose calls the filter understands.
const machine = unix.AUDIT_ARCH_AARCH64

// machineCalls are those that other machines do not have.
func machineCalls() []uintptr { return nil }

// machineFileCalls are those for files that other machines do not have.
func machineFileCalls() []uintptr { return nil }
