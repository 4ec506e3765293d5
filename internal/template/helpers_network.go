package template

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/nlnwa/whatwg-url/url"
)

// urlHost prints the host of an absolute URL.
func urlHost(inv *invocation) (string, error) {
	written, err := inv.text(0)
	if err != nil {
		return "", err
	}
	parsed, err := url.Parse(written)
	if err != nil {
		return "", fmt.Errorf("%s: expected an absolute URL", inv.describe(0))
	}
	if parsed.Hostname() == "" {
		return "", fmt.Errorf("%s: the URL has no host", inv.describe(0))
	}
	return parsed.Hostname(), nil
}

// hostsEntry is a line of /etc/hosts.
type hostsEntry struct {
	addr    netip.Addr
	aliases []string
}

var loopbacks = map[string]netip.Addr{
	"ipv4": netip.AddrFrom4([4]byte{127, 0, 0, 1}),
	"ipv6": netip.IPv6Loopback(),
}

func isLoopback(addr netip.Addr) bool { return addr == loopbacks["ipv4"] || addr == loopbacks["ipv6"] }

// hosts reads argument i, a list of [address, [alias, …]], null for none.
// Entries with the same address become one, at the place of the first.
func (inv *invocation) hosts(i int) ([]hostsEntry, error) {
	if inv.null(i) {
		return nil, nil
	}
	list, ok := inv.args[i].value.([]any)
	if !ok {
		return nil, inv.expected(i, `a list such as [["10.0.0.1", ["name"]]]`)
	}
	var merged []hostsEntry
	for n, element := range list {
		entry, ok := parseHostsEntry(element)
		if !ok {
			return nil, fmt.Errorf(`%s: expected ["address", ["name", …]] at %d`, inv.describe(i), n)
		}
		at := slices.IndexFunc(merged, func(e hostsEntry) bool { return e.addr == entry.addr })
		if at < 0 {
			merged = append(merged, entry)
		} else {
			merged[at].aliases = append(merged[at].aliases, entry.aliases...)
		}
	}
	return merged, nil
}

func parseHostsEntry(value any) (hostsEntry, bool) {
	pair, ok := value.([]any)
	if !ok || len(pair) != 2 {
		return hostsEntry{}, false
	}
	address, ok := pair[0].(string)
	if !ok {
		return hostsEntry{}, false
	}
	addr, err := netip.ParseAddr(address)
	if err != nil {
		return hostsEntry{}, false
	}
	aliases, ok := stringList(pair[1])
	return hostsEntry{addr, aliases}, ok
}

// etcHostsEntries prints a line for every address but the loopback ones.
func etcHostsEntries(inv *invocation) (string, error) {
	hosts, err := inv.hosts(0)
	if err != nil {
		return "", err
	}
	var lines []string
	for _, entry := range hosts {
		if !isLoopback(entry.addr) {
			lines = append(lines, entry.addr.String()+" "+strings.Join(entry.aliases, " "))
		}
	}
	return strings.Join(lines, "\n"), nil
}

// localhostAliases prints the names that a loopback address gets: the host's
// own, if nothing else knows it, and those that the settings give.
func localhostAliases(inv *invocation) (string, error) {
	family, err := inv.text(0)
	if err != nil {
		return "", err
	}
	loopback, ok := loopbacks[family]
	if !ok {
		return "", fmt.Errorf("%s: expected ipv4 or ipv6", inv.describe(0))
	}
	hostname, err := inv.text(1)
	if err != nil {
		return "", err
	}
	hosts, err := inv.hosts(2)
	if err != nil {
		return "", err
	}
	var names []string
	if hostname != "" && !inv.resolvable(hostname, hosts) {
		names = append(names, hostname)
	}
	for _, entry := range hosts {
		if entry.addr == loopback {
			names = append(names, entry.aliases...)
		}
	}
	return strings.Join(names, " "), nil
}

// resolvable tells whether a name is an alias in hosts, or known to DNS other than as a loopback address.
func (inv *invocation) resolvable(name string, hosts []hostsEntry) bool {
	for _, entry := range hosts {
		if slices.Contains(entry.aliases, name) {
			return true
		}
	}
	if inv.r.system.Resolve == nil {
		return false
	}
	addrs, err := inv.r.system.Resolve(name)
	return err == nil && len(addrs) > 0 && !slices.ContainsFunc(addrs, isLoopback)
}
