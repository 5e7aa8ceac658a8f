#!/bin/sh
# Makes a cluster of the nodes that are named as host:port:bus, the first half of them primaries, each of the others a
# replica of one. Safe to repeat: of a cluster that stands, everyone is introduced to everyone again, under the addresses
# of now, and a node that lost its disk follows the primary that has no replica. Nodes that hold data and no whole cluster
# are left to a person. Waits for ever for a node that does not answer: the Job has the bound.
set -eu
cli=$(command -v valkey-cli || command -v redis-cli)
if [ -n "${REDIS_PASSWORD_FILE:-}" ]; then
  REDISCLI_AUTH=$(cat "$REDIS_PASSWORD_FILE")
  export REDISCLI_AUTH
fi
SLOTS=16384
PAUSE=0.2

# ask <address:port:bus> <command…>; -e: an error of Redis is one of ours.
ask() {
  host=${1%%:*} rest=${1#*:}
  shift
  "$cli" -e -h "$host" -p "${rest%%:*}" "$@" | tr -d '\r'
}
# tell: the same; fails when Redis does not say OK.
tell() { [ "$(ask "$@" 2>/dev/null)" = OK ]; }
fact() { ask "$1" CLUSTER INFO | sed -n "s/^$2://p"; }
refuse() {
  echo "redis-cluster: $1" >&2
  exit 1
}

nodes=''
for name in "$@"; do
  until address=$(getent ahostsv4 "${name%%:*}" | head -n 1 | cut -d ' ' -f 1) && [ -n "$address" ]; do sleep "$PAUSE"; done
  node=$address:${name#*:}
  until [ "$(ask "$node" PING 2>/dev/null)" = PONG ]; do sleep "$PAUSE"; done
  nodes="$nodes $node"
done

standing=''
for node in $nodes; do
  if [ "$(fact "$node" cluster_slots_assigned)" = "$SLOTS" ]; then standing=$node; fi
done

if [ -z "$standing" ]; then
  for node in $nodes; do
    [ "$(ask "$node" DBSIZE)" = 0 ] || refuse "$node holds keys, and there is no whole cluster"
  done
  # What an attempt that was stopped has left.
  for node in $nodes; do tell "$node" CLUSTER RESET HARD || refuse "$node cannot be reset"; done
  primaries=$(($# / 2)) index=0
  for node in $nodes; do
    tell "$node" CLUSTER SET-CONFIG-EPOCH $((index + 1)) || refuse "$node has an epoch"
    if [ "$index" -lt "$primaries" ]; then
      first=$((index * SLOTS / primaries)) last=$(((index + 1) * SLOTS / primaries - 1))
      tell "$node" CLUSTER ADDSLOTSRANGE "$first" "$last" || refuse "$node takes no slots"
      standing=${standing:-$node}
    fi
    index=$((index + 1))
  done
  echo "redis-cluster: made of$nodes"
fi

for node in $nodes; do
  rest=${node#*:}
  tell "$standing" CLUSTER MEET "${node%%:*}" "${rest%%:*}" "${rest#*:}" || refuse "$node cannot be met"
done
for node in $nodes; do
  until [ "$(fact "$node" cluster_known_nodes)" -ge $# ] && [ "$(fact "$node" cluster_slots_assigned)" = "$SLOTS" ]; do
    sleep "$PAUSE"
  done
done

# A primary without slots follows one whom nobody follows. Fields: id, address, flags, primary, ping, pong, epoch, link, slots.
lonely() {
  ask "$standing" CLUSTER NODES | awk '
    $3 ~ /slave/ && $3 !~ /fail|noaddr/ { followed[$4] = 1 }
    $3 ~ /master/ && $3 !~ /fail/ && NF > 8 { serves[++count] = $1 }
    END { for (i = 1; i <= count; i++) if (!followed[serves[i]]) { print serves[i]; exit } }'
}
for node in $nodes; do
  own=$(ask "$node" CLUSTER NODES | awk '$3 ~ /myself/ { print ($3 ~ /master/ && NF == 8) ? $1 : "" }')
  [ -n "$own" ] || continue
  # Until the one it was is given up, its primary seems to be followed.
  until primary=$(lonely) && [ -n "$primary" ]; do sleep "$PAUSE"; done
  until tell "$node" CLUSTER REPLICATE "$primary"; do sleep "$PAUSE"; done
  until [ "$(lonely)" != "$primary" ]; do sleep "$PAUSE"; done
done

for node in $nodes; do
  until [ "$(fact "$node" cluster_state)" = ok ] && ! ask "$node" INFO replication | grep -q master_link_status:down; do
    sleep "$PAUSE"
  done
done
echo 'redis-cluster: stands'
