# An HTTPS server over the camera's clips, by Python's TLS: REELWAY_TEST_HTTPS_URL is of the one name that its certificate
# has, REELWAY_TEST_HTTPS_AUTHORITY the file of whoever signed it.
# shellcheck shell=bash disable=SC2154
export REELWAY_TEST_HTTPS_AUTHORITY="$work/authority.pem"
# openssl tells its progress on standard error; it is shown where it fails.
quietly() { "$@" 2>"$work/openssl.log" || { cat "$work/openssl.log" >&2; exit 1; }; }
sign() { quietly openssl req -newkey rsa:2048 -nodes -days 2 "$@"; }
sign -x509 -subj /CN=authority -keyout "$work/authority.key" -out "$REELWAY_TEST_HTTPS_AUTHORITY"
sign -subj /CN=localhost -keyout "$work/https.key" -out "$work/https.csr"
echo 'subjectAltName=DNS:localhost' >"$work/https.ext"
quietly openssl x509 -req -in "$work/https.csr" -CA "$REELWAY_TEST_HTTPS_AUTHORITY" -CAkey "$work/authority.key" \
    -CAcreateserial -days 2 -extfile "$work/https.ext" -out "$work/https.pem"
port=$(free_port)
start https python3 "$services/https-server.py" "$port" "$root/fixtures/camera" "$work/https.pem" "$work/https.key"
export REELWAY_TEST_HTTPS_URL="https://localhost:$port"
wait_for https curl -sf -o /dev/null --cacert "$REELWAY_TEST_HTTPS_AUTHORITY" "$REELWAY_TEST_HTTPS_URL/"
