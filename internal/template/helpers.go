package template

// extensions are the helpers that front matter may ask for, by the extension that owns them.
var extensions = map[string][]helper{
	"std": {
		{name: "any_enabled", min: 1, max: -1, value: anyEnabled},
		{name: "base64_decode", min: 1, max: 1, text: base64Decode, single: true},
		{name: "cidr_to_ipaddr", min: 1, max: 1, text: cidrToAddress, single: true},
		{name: "default", min: 2, max: 2, text: defaultValue, single: true},
		{name: "goarch", min: 1, max: 1, text: goArch, single: true},
		{name: "if_not_null", min: 1, max: 1, block: ifNotNull},
		{name: "is_array", min: 1, max: 1, value: isKind("a list")},
		{name: "is_bool", min: 1, max: 1, value: isKind("a boolean")},
		{name: "is_cgroup_v2", min: 0, max: 0, value: isCgroup2}, // of later releases
		{name: "is_ipv4", min: 1, max: 1, value: isIPv4},
		{name: "is_ipv6", min: 1, max: 1, value: isIPv6},
		{name: "is_null", min: 1, max: 1, value: isKind("null")},
		{name: "is_number", min: 1, max: 1, value: isKind("a number")},
		{name: "is_object", min: 1, max: 1, value: isKind("a map")},
		{name: "is_string", min: 1, max: 1, value: isKind("a string")},
		{name: "join_array", min: 2, max: 2, text: joinArray},
		{name: "join_map", min: 4, max: 4, text: joinMap},
		{name: "json_escape", min: 1, max: 1, text: jsonEscaped, single: true},
		{name: "negate_or_else", min: 2, max: 2, text: negateOrElse},
		{name: "replace_ipv4_octet", min: 3, max: 3, text: replaceIPv4Octet, single: true},
		{name: "toml_encode", min: 1, max: 1, text: tomlEncode},
	},
	"aws": {
		{name: "ecr-prefix", min: 1, max: 1, text: ecrPrefix},
	},
	"updates": {
		{name: "metadata-prefix", min: 1, max: 1, text: metadataPrefix},
		{name: "tuf-prefix", min: 1, max: 1, text: tufPrefix},
	},
	"network": {
		{name: "etc_hosts_entries", min: 1, max: 1, text: etcHostsEntries},
		{name: "host", min: 1, max: 1, text: urlHost, single: true},
		{name: "localhost_aliases", min: 3, max: 3, text: localhostAliases},
	},
	"kubernetes": {
		{name: "join_node_taints", min: 1, max: 1, text: joinNodeTaints},
		{name: "kube_reserve_cpu", min: 1, max: 1, text: kubeReserveCPU},
		{name: "kube_reserve_memory", min: 2, max: 2, text: kubeReserveMemory},
	},
	"ecs": {
		{name: "ecs_metadata_service_limits", min: 2, max: 2, text: ecsMetadataServiceLimits},
	},
	"oci-defaults": {
		{name: "oci_defaults", min: 2, max: 2, text: ociDefaults},
	},
}

// text returns argument i, which has to be a string.
func (inv *invocation) text(i int) (string, error) {
	if s, ok := inv.args[i].value.(string); ok {
		return s, nil
	}
	return "", inv.expected(i, "a string")
}

// null tells whether argument i is null or not there.
func (inv *invocation) null(i int) bool { return inv.args[i].value == nil }

// scalar returns argument i as it is printed, which has to be a string, a number or (if so wanted) a boolean.
func (inv *invocation) scalar(i int, booleans bool) (string, error) {
	value := inv.args[i].value
	if _, isBool := value.(bool); isScalar(value) && (booleans || !isBool) {
		return printed(value), nil
	}
	if booleans {
		return "", inv.expected(i, "a string, a number or a boolean")
	}
	return "", inv.expected(i, "a string or a number")
}

func isScalar(value any) bool {
	switch value.(type) {
	case nil, []any, map[string]any:
		return false
	}
	return true
}
