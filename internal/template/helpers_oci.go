package template

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// ociCapabilities are the capabilities that settings may name, without CAP_.
var ociCapabilities = strings.Fields(`audit-control audit-read audit-write block-suspend bpf checkpoint-restore chown
	dac-override dac-read-search fowner fsetid ipc-lock ipc-owner kill lease linux-immutable mac-admin mac-override mknod
	net-admin net-bind-service net-broadcast net-raw perfmon setfcap setgid setpcap setuid sys-admin sys-boot sys-chroot
	sys-module sys-nice sys-pacct sys-ptrace sys-rawio sys-resource sys-time sys-tty-config syslog wake-alarm`)

// ociLimits are the limits that settings may name, and the kernel's names of them without RLIMIT_.
var ociLimits = map[string]string{
	"max-address-space": "AS", "max-core-file-size": "CORE", "max-cpu-time": "CPU", "max-data-size": "DATA",
	"max-file-locks": "LOCKS", "max-file-size": "FSIZE", "max-locked-memory": "MEMLOCK",
	"max-msgqueue-size": "MSGQUEUE", "max-nice-priority": "NICE", "max-open-files": "NOFILE",
	"max-pending-signals": "SIGPENDING", "max-processes": "NPROC", "max-realtime-priority": "RTPRIO",
	"max-realtime-timeout": "RTTIME", "max-resident-set": "RSS", "max-stack-size": "STACK",
}

// lockedMemory is the limit that a fabric adapter needs lifted.
const lockedMemory = "max-locked-memory"

// ociDefaults prints a part of an OCI specification, for docker or containerd.
// Which part is told by the last segment of the second argument's path.
func ociDefaults(inv *invocation) (string, error) {
	runtime, err := inv.text(0)
	if err != nil {
		return "", err
	}
	if runtime != "docker" && runtime != "containerd" {
		return "", fmt.Errorf("%s: expected docker or containerd", inv.describe(0))
	}
	path := inv.args[1].path
	if path == "" {
		return "", fmt.Errorf("%s: expected a path such as settings.oci-defaults.capabilities", inv.describe(1))
	}
	switch section := path[strings.LastIndexByte(path, '.')+1:]; section {
	case "capabilities":
		return inv.capabilities(runtime)
	case "resource-limits":
		return inv.resourceLimits(runtime)
	}
	return "", fmt.Errorf("%s: expected a path that ends in capabilities or resource-limits", inv.describe(1))
}

func (inv *invocation) capabilities(runtime string) (string, error) {
	settings, ok := inv.args[1].value.(map[string]any)
	if !ok {
		return "", inv.expected(1, "a map")
	}
	var names []string
	for name, value := range settings {
		enabled, ok := value.(bool)
		if !ok || !slices.Contains(ociCapabilities, name) {
			return "", fmt.Errorf("%s: expected capabilities with true or false, found %s", inv.describe(1), name)
		}
		if enabled {
			names = append(names, `"CAP_`+strings.ToUpper(strings.ReplaceAll(name, "-", "_"))+`"`)
		}
	}
	slices.Sort(names)
	list := "[" + strings.Join(names, ",\n") + "]"
	if runtime == "docker" {
		return list, nil
	}
	return `"bounding": ` + list + ",\n" + `"effective": ` + list + ",\n" + `"permitted": ` + list + "\n", nil
}

func (inv *invocation) resourceLimits(runtime string) (string, error) {
	settings, ok := inv.args[1].value.(map[string]any)
	if !ok {
		return "", inv.expected(1, "a map")
	}
	names := sortedKeys(settings)
	if _, set := settings[lockedMemory]; !set && inv.r.system.EFA {
		names = append(names, lockedMemory)
		slices.Sort(names)
	}
	var entries []string
	for _, name := range names {
		limit := map[string]any{"hard-limit": number(-1), "soft-limit": number(-1)}
		if value, set := settings[name]; set {
			limit, _ = value.(map[string]any)
		}
		entry, ok := formatLimit(runtime, ociLimits[name], limit)
		if !ok {
			return "", fmt.Errorf("%s: expected limits with hard-limit and soft-limit, found %s", inv.describe(1), name)
		}
		entries = append(entries, entry)
	}
	return strings.Join(entries, ",\n"), nil
}

func formatLimit(runtime, kernel string, limit map[string]any) (string, bool) {
	hard, okHard := limitNumber(limit["hard-limit"])
	soft, okSoft := limitNumber(limit["soft-limit"])
	if kernel == "" || !okHard || !okSoft {
		return "", false
	}
	if runtime == "docker" {
		name := strings.ToLower(kernel)
		return fmt.Sprintf(` "%s":{ "Name": "%s", "Hard": %d, "Soft": %d }`, name, name, hard, soft), true
	}
	return fmt.Sprintf(`{ "type": "RLIMIT_%s", "hard": %s, "soft": %s }`, kernel, unsigned(hard), unsigned(soft)), true
}

// limitNumber reads a limit: a number of at least -1, which means unlimited.
func limitNumber(value any) (int64, bool) {
	if value == "unlimited" {
		return -1, true
	}
	n, ok := asNumber(value)
	if !ok {
		return 0, false
	}
	limit, err := n.Int64()
	return limit, err == nil && limit >= -1
}

// unsigned writes a limit with unlimited as the largest number.
func unsigned(limit int64) string {
	if limit == -1 {
		return strconv.FormatUint(math.MaxUint64, 10)
	}
	return strconv.FormatInt(limit, 10)
}
