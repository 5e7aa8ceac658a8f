#!/bin/sh
# A node of the cluster under an address that stays: that of its own Service, which the others keep in nodes.conf. An
# address of the pod would be another after each restart, and after a restart of all nobody would find anybody.
set -eu
umask 077
until address=$(getent ahostsv4 "$POD_NAME.$NAMESPACE.svc" | head -n 1 | cut -d ' ' -f 1) && [ -n "$address" ]; do
  sleep 1
done
password=$(cat /run/secrets/seckill/REDIS_PASSWORD)
{
  cat /etc/redis/redis.conf
  # By file, not by argument: arguments are visible in the process list.
  printf 'requirepass %s\nmasterauth %s\ncluster-announce-ip %s\n' "$password" "$password" "$address"
} >/tmp/redis.conf
exec valkey-server /tmp/redis.conf --dir /data
