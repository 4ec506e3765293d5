# Runs as PID 1 of a PID namespace and in a mount namespace of its own: $1
# becomes a tmpfs that holds a writable, throw-away copy of this host's root.
# It ends when the test process does, however that ends, because its standard
# input is a pipe from there; and with it the kernel ends every process of the
# machine and forgets every mount. $2 names a control group for the machine.
set -eu
mount --make-rprivate /
mount -t proc proc /proc
# The host may be of the old or the mixed layout of control groups; the machine
# sees version 2 alone. Of it we need processes being grouped, no controllers.
umount -R /sys/fs/cgroup || :
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir "/sys/fs/cgroup/$2"
mount -t tmpfs -o size=2g,mode=0755 hostler-test "$1"
mkdir "$1/upper" "$1/scratch" "$1/root"
mount -t overlay hostler-test -o "lowerdir=/,upperdir=$1/upper,workdir=$1/scratch" "$1/root"
echo ready
exec cat
