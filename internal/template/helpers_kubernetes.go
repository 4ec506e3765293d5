package template

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// joinNodeTaints prints key=value:Effect for every taint of a map of lists.
func joinNodeTaints(inv *invocation) (string, error) {
	taints, ok := inv.args[0].value.(map[string]any)
	if !ok {
		return "", nil
	}
	var pairs []string
	for _, key := range sortedKeys(taints) {
		values, ok := stringList(taints[key])
		if !ok {
			return "", fmt.Errorf("%s: expected a list of strings at %s", inv.describe(0), key)
		}
		for _, value := range values {
			pairs = append(pairs, key+"="+value)
		}
	}
	return strings.Join(pairs, ","), nil
}

// kubeReserveMemory prints the memory that is kept from pods: 255 MiB, and 11 MiB for each pod.
func kubeReserveMemory(inv *invocation) (string, error) {
	n, ok := asNumber(inv.args[0].value)
	if !ok {
		return "", inv.expected(0, "a number of pods")
	}
	pods, err := strconv.ParseUint(string(n), 10, 64)
	if err != nil || pods > math.MaxUint32 {
		return "", fmt.Errorf("%s: expected a number of pods from 0 to %d", inv.describe(0), uint32(math.MaxUint32))
	}
	if inv.null(1) {
		return strconv.FormatUint(pods*11+255, 10) + "Mi", nil
	}
	return inv.scalar(1, false)
}

// kubeReserveCPU prints the processor time that is kept from pods: 6 % of the
// first core, 1 % of the second, 0.5 % of the next two, 0.25 % of all others.
func kubeReserveCPU(inv *invocation) (string, error) {
	if !inv.null(0) {
		return inv.scalar(0, false)
	}
	millicores := []int{0, 60, 70, 75, 80}
	cores := max(inv.r.system.CPUs, 0)
	if cores < len(millicores) {
		return strconv.Itoa(millicores[cores]) + "m", nil
	}
	return strconv.Itoa(80+(cores-4)*5/2) + "m", nil
}

// ecsMetadataServiceLimits prints requests per second and burst.
func ecsMetadataServiceLimits(inv *invocation) (string, error) {
	limits := []string{"40", "60"}
	for i := range limits {
		if inv.null(i) {
			continue
		}
		n, ok := asNumber(inv.args[i].value)
		if !ok {
			return "", inv.expected(i, "a number")
		}
		limits[i] = printedNumber(n)
	}
	return strings.Join(limits, ","), nil
}
