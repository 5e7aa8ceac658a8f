#!/bin/sh
# The first process of the node, alone in namespaces of its own: everything that a kubelet and kube-proxy change
# (mounts, addresses, rules, kernel settings) ends with this process. Usage: init.sh FOLDER NODE_ADDRESS
set -eu
folder=$1
address=$2

# What is mounted here is seen by pods, and by nobody outside.
mount --make-rprivate /
mount --make-rshared /
for place in /run /var/lib; do mount -t tmpfs tmpfs "$place"; done
mount --bind "$folder/pod-logs" /var/log
mkdir -p /run/netns /run/lock /run/seckill/disks /var/lib/kubelet
mount --bind "$folder/disks" /run/seckill/disks

# A kubelet sets these for the whole machine. Here it finds them set, and the machine's own stay as they are.
mkdir /run/seckill/settings
settle() {
  [ -e "/proc/sys/$1" ] || return 0
  own="/run/seckill/settings/$(printf '%s' "$1" | tr / -)"
  printf '%s\n' "$2" > "$own"
  mount --bind "$own" "/proc/sys/$1"
}
settle vm/overcommit_memory 1
settle vm/panic_on_oom 0
settle kernel/panic 10
settle kernel/panic_on_oops 1
settle kernel/keys/root_maxkeys 1000000
settle kernel/keys/root_maxbytes 25000000

hostname seckill-node
ip link set lo up
# The node has an address, and a way for packets to services, though no cable leads out.
ip link add node0 type veth peer name node1
ip address add "$address/24" dev node0
ip link set node0 up
ip link set node1 up
ip route add default dev node0
echo 1 > /proc/sys/net/ipv4/ip_forward
# Pods on one bridge reach each other through services too: the answers have to pass the rules.
echo 1 > /proc/sys/net/bridge/bridge-nf-call-iptables

echo ready > "$folder/init-ready"
# Collects what its children leave behind, as the first process of a machine has to.
exec catatonit -P
