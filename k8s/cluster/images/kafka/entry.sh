#!/bin/sh
# Turns KAFKA_NODE_ID and the like into node.id, as the official image does, formats the disk once, then is the broker.
set -eu
properties=/tmp/server.properties
env | grep '^KAFKA_' | grep -v '^KAFKA_HEAP_OPTS=' | while IFS='=' read -r name value; do
  printf '%s=%s\n' "$(printf '%s' "${name#KAFKA_}" | tr 'A-Z_' 'a-z.')" "$value"
done > "$properties"
java() { command java "-Dlog4j2.configurationFile=/opt/kafka/config/log4j2.properties" -cp '/opt/kafka/libs/*' "$@"; }
# An id of one's own choice: the disk belongs to one broker alone.
java kafka.tools.StorageTool format --ignore-formatted --cluster-id=c2Vja2lsbC1jbHVzdGVyMQ --config "$properties"
# Several words, as the official image takes them.
# shellcheck disable=SC2086
exec java ${KAFKA_HEAP_OPTS:-} -XX:TieredStopAtLevel=1 -XX:+UseSerialGC \
  -Dlog4j2.configurationFile=/opt/kafka/config/log4j2.properties -cp '/opt/kafka/libs/*' kafka.Kafka "$properties"
