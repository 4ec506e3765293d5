package template

import "slices"

// defaultAccount owns the registry of most regions, and of regions that are not known.
const (
	defaultAccount = "328549459982"
	defaultRegion  = "us-east-1"
	publicTUF      = "https://updates.bottlerocket.aws"
)

// ecrAccounts are the known regions and who owns the registry there.
var ecrAccounts = map[string]string{
	"af-south-1": "917644944286", "ap-east-1": "375569722642", "ap-northeast-1": defaultAccount,
	"ap-northeast-2": defaultAccount, "ap-northeast-3": defaultAccount, "ap-south-1": defaultAccount,
	"ap-south-2": "764716012617", "ap-southeast-1": defaultAccount, "ap-southeast-2": defaultAccount,
	"ap-southeast-3": "386774335080", "ap-southeast-4": "731751899352", "ap-southeast-5": "851725293737",
	"ca-central-1": defaultAccount, "ca-west-1": "253897149516", "cn-north-1": "183470599484",
	"cn-northwest-1": "183901325759", "eu-central-1": defaultAccount, "eu-central-2": "861738308508",
	"eu-isoe-west-1": "589460436674", "eu-north-1": defaultAccount, "eu-south-1": "586180183710",
	"eu-south-2": "620625777247", "eu-west-1": defaultAccount, "eu-west-2": defaultAccount,
	"eu-west-3": defaultAccount, "il-central-1": "288123944683", "me-central-1": "553577323255",
	"me-south-1": "509306038620", "sa-east-1": defaultAccount, "us-east-1": defaultAccount,
	"us-east-2": defaultAccount, "us-gov-east-1": "388230364387", "us-gov-west-1": "347163068887",
	"us-west-1": defaultAccount, "us-west-2": defaultAccount,
}

// ownDomains are the regions outside of the public partitions; they also have update repositories of their own.
var ownDomains = map[string]struct{ domain, bucket string }{
	"cn-north-1":     {"amazonaws.com.cn", "s3.dualstack"},
	"cn-northwest-1": {"amazonaws.com.cn", "s3.dualstack"},
	"eu-isoe-west-1": {"cloud.adc-e.uk", "s3"},
}

// fipsRegions have registries with FIPS endpoints.
var fipsRegions = []string{"us-east-1", "us-east-2", "us-west-1", "us-west-2", "us-gov-east-1", "us-gov-west-1"}

// ecrPrefix prints the host name of a region's image registry.
func ecrPrefix(inv *invocation) (string, error) {
	region, err := inv.text(0)
	if err != nil {
		return "", err
	}
	account, known := ecrAccounts[region]
	if !known {
		region, account = defaultRegion, defaultAccount
	}
	service, domain := "ecr", "amazonaws.com"
	if own, ok := ownDomains[region]; ok {
		domain = own.domain
	} else if inv.r.system.FIPS && slices.Contains(fipsRegions, region) {
		service = "ecr-fips"
	}
	return account + ".dkr." + service + "." + region + "." + domain, nil
}

// tufPrefix prints the address of a region's update repository.
func tufPrefix(inv *invocation) (string, error) {
	region, err := inv.text(0)
	if err != nil {
		return "", err
	}
	own, ok := ownDomains[region]
	if !ok {
		return publicTUF, nil
	}
	return "https://bottlerocket-updates-" + region + "." + own.bucket + "." + region + "." + own.domain + "/latest", nil
}

// metadataPrefix prints where the metadata is below that address.
func metadataPrefix(inv *invocation) (string, error) {
	region, err := inv.text(0)
	if err != nil {
		return "", err
	}
	if _, ok := ownDomains[region]; ok {
		return "/metadata", nil
	}
	return "", nil
}
