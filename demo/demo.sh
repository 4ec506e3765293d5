#!/bin/sh
# A tour of Hostler in a sandbox: no root, no systemd, nothing outside a temporary folder.
#
# Each step says in a line what it shows, prints the commands as one would type
# them, and checks what came of it: the tour fails where Hostler does not do as told.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
PATH=$(cd "$here/../bin" && pwd):$PATH
folder=$(mktemp -d)
box=$folder/box
server=

cleanup() {
	code=$?
	trap - EXIT
	if [ -n "$server" ]; then
		kill "$server" 2>/dev/null || true
		wait "$server" 2>/dev/null || true
	fi
	[ "$code" -eq 0 ] || sed 's/^/    apiserver: /' "$folder/apiserver.log" 2>/dev/null || true
	rm -rf "$folder"
	exit "$code"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
	title=$(printf '\033[1m') command=$(printf '\033[36m') good=$(printf '\033[32m') plain=$(printf '\033[0m')
else
	title='' command='' good='' plain=''
fi

# --- how the tour speaks ---------------------------------------------------

# part begins one of the parts that the tour has.
part() { printf '\n%s── %s ──%s\n' "$title" "$1" "$plain"; }

number=0
step() {
	number=$((number + 1))
	printf '\n%s%2d  %s%s\n' "$title" "$number" "$1" "$plain"
}

shown() { printf '    %s$ %s%s\n' "$command" "$*" "$plain"; }
indent() { fold -s -w 128 | sed 's/^./    &/'; }
ok() { printf '    %s✓ %s%s\n' "$good" "$1" "$plain"; }
wrong() {
	printf '    ✗ %s\n' "$1" >&2
	exit 1
}

# run CODE COMMAND…: print it, run it, show what it says, and expect the exit code.
run() {
	want=$1 got=0
	shift
	shown "$(words "$@")"
	"$@" >"$folder/output" 2>&1 </dev/null || got=$?
	indent <"$folder/output"
	[ "$got" -eq "$want" ] || wrong "exit code $got, expected $want"
}

# words prints a command line with quotes where a shell wants them.
words() {
	line=
	for word in "$@"; do
		case $word in
		"$box") word=BOX ;;
		"$box"/*) word=${word#"$box"} ;;
		*[!A-Za-z0-9_./:=,@%+-]*) word="'$word'" ;;
		esac
		line="$line $word"
	done
	printf '%s' "${line# }"
}

# Files of the sandbox are shown as on a host: /etc/motd is $box/etc/motd.
apiclient() { command apiclient --root "$box" "$@"; }
says() { grep -q -e "$1" "$folder/output" || wrong "expected to read: $1"; }
holds() { grep -q -x -F -e "$2" "$box$1" || wrong "expected $1 to hold: $2"; }
keep() { cp "$box$1" "$folder/kept"; }
same() { cmp -s "$box$1" "$folder/kept" || wrong "expected $1 to be as before"; }
value() { apiclient get "settings.$1" | tr -d ' \n'; }

# within SECONDS COMMAND…: wait until it succeeds.
within() {
	tries=$(($1 * 10))
	shift
	until "$@" >/dev/null 2>&1; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || return 1
		sleep 0.1
	done
}

# --- the tour ---------------------------------------------------------------

part 'Settings in, files and services out'
step 'A sandbox is a folder laid out like the root of a host.'
shown 'hostler sandbox new BOX --variant metal-dev'
hostler sandbox new "$box" --variant metal-dev >"$folder/output"
[ -f "$box/usr/share/templates/motd" ] || wrong 'expected templates in the sandbox'
ok 'models, variants and templates are in place'

step 'apiserver serves it. Below, apiclient stands for apiclient --root BOX, and /etc for BOX/etc.'
shown 'apiserver --root BOX &'
apiserver --root "$box" >"$folder/apiserver.log" 2>&1 &
server=$!
within 10 apiclient whoami || wrong 'apiserver does not answer'
run 0 apiclient whoami
ok 'it answers on BOX/run/api.sock'

step 'User data in TOML becomes settings; settings become files.'
run 0 cat "$here/user-data.toml"
run 0 apiclient apply "file://$here/user-data.toml"
run 0 cat "$box/etc/chrony.conf"
holds /etc/chrony.conf 'pool time1.example.com iburst'
holds /etc/motd 'Machine of the build team'
ok 'every file of every changed setting is written'

step 'One setting changes: the file before and after.'
run 0 cat "$box/etc/motd"
run 0 apiclient set 'motd=Tom & Jerry own "this" machine'
run 0 cat "$box/etc/motd"
holds /etc/motd 'Tom & Jerry own "this" machine'
ok 'as written: each template escapes for its own kind of file'

step 'A dry run shows the files and the restarts, and touches nothing.'
keep /etc/chrony.conf
run 0 apiclient set --dry-run 'ntp.options=["iburst", "minpoll 4"]'
says 'chrony'
same /etc/chrony.conf
ok '/etc/chrony.conf is as before'

step 'A value that does not fit is refused: which key, what was expected, what to do.'
run 1 apiclient set network.hostname=Not_A_Hostname
run 1 apiclient set ntp.time-server=time.example.com
says 'time-servers'
[ "$(value network.hostname)" = '{"settings":{"network":{"hostname":"build-7.example.com"}}}' ] || wrong 'expected the former hostname'
ok 'nothing was changed'

step 'A restart fails: settings and files go back to what they were.'
restart='/bin/systemctl try-reload-or-restart chronyd.service'
run 0 hostler sandbox fail --once "$box" "$restart"
keep /etc/chrony.conf
run 3 apiclient set 'ntp.time-servers=["nowhere.example.com"]'
same /etc/chrony.conf
value ntp.time-servers | grep -q 'time1.example.com' || wrong 'expected the former time servers'
run 0 apiclient changes 3
ok 'undone as a whole, and the exit code says so'

step 'A change on trial undoes itself unless somebody confirms it in time.'
keep /etc/motd
run 0 apiclient set --try 2s motd='Only for two seconds'
holds /etc/motd 'Only for two seconds'
printf '    … nobody runs apiclient confirm …\n'
within 10 cmp -s "$box/etc/motd" "$folder/kept" || wrong 'expected /etc/motd to come back'
run 0 cat "$box/etc/motd"
ok 'the former message is back'

step 'Unset takes a value away; the one below it shows again.'
run 0 apiclient unset motd
run 0 cat "$box/etc/motd"
holds /etc/motd 'Welcome to Bottlerocket!'
ok 'the default of the image'

step 'Explain says what a setting means, where its value comes from and what it drives.'
run 0 apiclient explain ntp.time-servers
says 'chrony'

step 'The history knows who changed what, when and why.'
run 0 apiclient history
says 'motd'

step 'A host would have run these commands.'
run 0 hostler sandbox restarts "$box"
says 'chronyd.service'

# --- updates ----------------------------------------------------------------

# Below, files of the publisher and the disk are named from here.
cd "$folder"
disk=os.img
flags() { run 0 signpost --disk "$disk" --active A status; }
release() {
	printf 'version = "%s"\n[migrations]\n%s\n' "$1" "$2" >Release.toml
	images="--root-image root-$1 --boot-image boot-$1 --hash-image hash-$1"
	shift 2
	# shellcheck disable=SC2086 # three options and their values
	run 0 pubsys release --dir repo --root roots/1.root.json --key keys/release.pem --variant metal-dev --release-file Release.toml \
		$images "$@"
}

part 'Images in, the other slot out'
step 'A publisher makes keys, and a root of trust that says what they may sign.'
run 0 pubsys keys new keys/root.pem keys/release.pem
run 0 pubsys root new roots/1.root.json --add-key root=keys/root.pub --add-key targets,snapshot,timestamp=keys/release.pub
run 0 pubsys root sign --yes roots/1.root.json --key keys/root.pem
says 'enough'
ok 'images bring roots/1.root.json; all else is proved from there'

step 'Two releases: the first for everybody, the second in waves, with a few bytes changed.'
for image in root:4000000 boot:300000 hash:60000; do
	head -c "${image#*:}" /dev/urandom >"${image%:*}-0.1.0"
	cp "${image%:*}-0.1.0" "${image%:*}-0.2.0"
	printf 'changed' | dd of="${image%:*}-0.2.0" bs=1 seek=20000 conv=notrunc 2>/dev/null
done
release 0.1.0 '"(0.0.0-devel, 0.1.0)" = []' --new --waves none
release 0.2.0 '"(0.0.0-devel, 0.1.0)" = []
"(0.1.0, 0.2.0)" = []' --waves ohno
run 0 pubsys list --dir repo --root roots/1.root.json --variant metal-dev
ok 'repo is a folder that any web server can serve'

step 'A disk image with two slots is the disk of this sandbox; only slot A boots.'
run 0 hostler sandbox disk "$disk" --size 512M
printf 'disk = "%s"\nactive = "A"\n' "$folder/$disk" >"$box/etc/hostler/disk.toml"
mkdir -p "$box/usr/share/updog"
cp roots/1.root.json "$box/usr/share/updog/root.json"
flags
says 'Next:    Set A'
ok 'the image has brought its root of trust'

step 'Which release is for this host, and why not the other one?'
run 0 apiclient set updates.seed=512 "updates.metadata-base-url=file://$folder/repo/metal-dev/x86_64/" \
	"updates.targets-base-url=file://$folder/repo/targets/"
run 0 apiclient update check -o table
says '0.1.0 (offered)'
says 'wave 2 of 5'
ok 'its wave, its seed and the time at which it is due'

step 'The release is proved, written into the spare slot, read back, and made the next to boot.'
run 0 apiclient update apply
flags
says 'Next:    Set B'
ok 'slot B boots next, once; slot A stays what it was'

step 'And back: nothing is lost, slot A boots again.'
run 0 apiclient update cancel -o table
flags
says 'Next:    Set A'
ok 'the release stays prepared'

step 'What if it does not boot? The boot loader tries slot B once, and returns to slot A.'
run 0 apiclient update apply
run 0 signpost --disk "$disk" --active A simulate-boot
says 'B'
run 0 signpost --disk "$disk" --active A simulate-boot
run 0 updog history --root "$box" --disk "$disk" --active A
says 'boot-failed'
run 1 updog check-update --root "$box" --disk "$disk" --active A
says '0.1.0 waits: it failed on this host'
ok 'it is remembered, and not tried again'

part 'Data across versions, and back'
step 'A release may change settings: 0.3.0 brings a migration, and its model to judge the result.'
(cd "$here/.." && CGO_ENABLED=0 go build -trimpath -o "$folder/migrations/migrate_v0.3.0_motd" ./demo/migration)
run 0 cat "$here/migration/main.go"
for image in root boot hash; do cp "$image-0.1.0" "$image-0.3.0"; done
release 0.3.0 '"(0.0.0-devel, 0.1.0)" = []
"(0.1.0, 0.2.0)" = []
"(0.2.0, 0.3.0)" = ["migrate_v0.3.0_motd.lz4"]' --waves none --migrations migrations --model "$box/usr/share/hostler"
run 0 apiclient set motd=welcome
run 0 updog update-image --image 0.3.0 --now --root "$box" --disk "$disk" --active A
run 0 migrator rehearse --migrate-to-version 0.3.0 --root "$box"
says '"welcome" -> "welcome to 0.3"'
ok 'tried on a copy of the settings before anything was written'

# boot VERSION: what a boot of that image begins with.
boots() { sed -i "s/^VERSION_ID=.*/VERSION_ID=$1/" "$box/usr/lib/os-release"; }
off() {
	kill "$server"
	wait "$server" 2>/dev/null || true
	server=
}
on() {
	apiserver --root "$box" >>"$folder/apiserver.log" 2>&1 &
	server=$!
	within 10 apiclient whoami || wrong 'apiserver does not answer'
}

step 'At its first boot the migration is verified again. Somebody has altered a byte of it.'
off
before=$(sed -n 's/^VERSION_ID=//p' "$box/usr/lib/os-release")
boots 0.3.0
kept=$(echo "$box"/var/lib/bottlerocket-migrations/*.migrate_v0.3.0_motd.lz4)
cp "$kept" kept
printf 'X' | dd of="$kept" bs=1 seek=1000 conv=notrunc 2>/dev/null
run 1 migrator --root "$box"
says 'Error loading migration'
on
run 0 apiclient get settings.motd
says '"welcome"'
run 1 apiclient set motd=other
says 'they were not migrated'
ok 'it was not run; the settings can be read, and are what they were'

step 'As it was published it runs, from memory, where it can reach nothing but the settings.'
off
cp kept "$kept"
run 0 migrator --root "$box"
on
run 0 apiclient get settings.motd
says 'welcome to 0.3'
ok 'the host has the settings of 0.3.0'

step 'And back, when the host falls back to the old version.'
off
boots "$before"
run 0 migrator --root "$box"
run 0 migrator status --root "$box"
on
run 0 apiclient get settings.motd
says '"welcome"'
ok 'nothing was changed in between, so that the file of before was still good'

part 'And once more: nothing is believed that was not proved'
step 'A byte is altered on the way: the slot that was written does not boot, the host does.'
for file in repo/targets/*.root-0.2.0.lz4*; do
	printf 'X' | dd of="$file" bs=1 seek=100 conv=notrunc 2>/dev/null
done
run 1 updog update-image --image 0.2.0 --now --root "$box" --disk "$disk" --active A
flags
says 'Next:    Set A'
says 'Set B: .*priority=0 tries_left=0'
ok 'refused, with what is wrong'

cat <<END

${title}All $number steps did as they say.$plain The folder in which they ran is removed. Your turn:

    PATH=${PATH%%:*}:\$PATH
    hostler sandbox new my-box        a sandbox of your own, and what to do with it
    apiclient explain --help          every command has help, with examples

docs/user-guide.md goes on with settings, docs/updates.md#trying-it-without-a-machine with updates.
END
