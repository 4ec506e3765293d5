package generate

import (
	"strings"
)

// ProxyEnv is the environment through which generators reach the network, from
// the decoded settings tree; nil without a proxy.
func ProxyEnv(settings map[string]any) []string {
	network, _ := settings["network"].(map[string]any)
	proxy, _ := network["https-proxy"].(string)
	if proxy == "" {
		return nil
	}
	no := strings.Join(exceptions(settings, network), ",")
	return []string{"https_proxy=" + proxy, "HTTPS_PROXY=" + proxy, "no_proxy=" + no, "NO_PROXY=" + no}
}

// exceptions are the hosts that are reached without the proxy.
func exceptions(settings, network map[string]any) []string {
	hosts := []string{"localhost", "127.0.0.1"}
	list, _ := network["no-proxy"].([]any)
	kubernetes, _ := settings["kubernetes"].(map[string]any)
	for _, v := range append(list[:len(list):len(list)], kubernetes["api-server"], kubernetes["cluster-domain"]) {
		if host, ok := v.(string); ok && host != "" {
			hosts = append(hosts, host)
		}
	}
	return hosts
}
