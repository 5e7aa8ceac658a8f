#!/bin/sh
# A replica that has not caught up is not ready: a rolling restart must not stop its primary meanwhile.
set -eu
REDISCLI_AUTH=$(cat /run/secrets/seckill/REDIS_PASSWORD)
export REDISCLI_AUTH
[ "$(valkey-cli ping)" = PONG ]
! valkey-cli info replication | grep -q master_link_status:down
