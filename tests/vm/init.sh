#!/bin/bash
# Inside the machine: the tests with cgroup v2, then with v1. The last line of the log is "vm: N failed".
export PATH=/usr/bin:/bin HOME=/root TMPDIR=/tmp
failed=0
mount -t proc proc /proc && mount -t sysfs sys /sys && mount -t tmpfs tmp /tmp
cd /t || exit 1

tests() {
  local how=$1
  shift
  for t in "$@"; do
    echo "== $how: $t"
    timeout 600 "/t/execution_test_$t" >"/tmp/$t.log" 2>&1 || failed=$((failed + 1))
    grep -v -e 'OK ]' -e 'RUN  ' "/tmp/$t.log"
  done
}

mount -t cgroup2 -o nsdelegate cgroup2 /sys/fs/cgroup
echo "Linux $(uname -r), cgroup v2: $(cat /sys/fs/cgroup/cgroup.controllers)"
echo "== v2, delegated to an ordinary user"
mkdir /sys/fs/cgroup/user
chown 65534 /sys/fs/cgroup/user /sys/fs/cgroup/user/cgroup.{procs,subtree_control}
(echo 0 >/sys/fs/cgroup/user/cgroup.procs && exec /t/execution_test_survival ordinary) >/tmp/user.log 2>&1
grep 'as a user' /tmp/user.log
grep -q 'as a user: memory cgroup-v2' /tmp/user.log || failed=$((failed + 1))

tests v2 attacks escapes survival walls cgroup run limits

umount /sys/fs/cgroup
mount -t tmpfs cgroup /sys/fs/cgroup
for c in memory pids cpu cpuacct; do
  mkdir "/sys/fs/cgroup/$c" && mount -t cgroup -o "$c" "$c" "/sys/fs/cgroup/$c" || echo "no cgroup v1 $c"
done
tests v1 attacks escapes run limits

echo "vm: $failed failed"
sync
echo o >/proc/sysrq-trigger
sleep 10
