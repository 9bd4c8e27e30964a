# PgBouncer in transaction mode before the server of postgres.sh, which has to be named first: REELWAY_TEST_POOLER_URL.
# shellcheck shell=bash disable=SC2154
pooler="$work/pgbouncer"
pooler_port=$(free_port)
mkdir -p "$pooler"
postgres_port=${REELWAY_TEST_DATABASE_URL##*:}
cat >"$pooler/pgbouncer.ini" <<CONF
[databases]
* = host=127.0.0.1 port=${postgres_port%%/*}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $pooler_port
unix_socket_dir =
auth_type = scram-sha-256
auth_file = $pooler/users
pool_mode = transaction
default_pool_size = 3
max_client_conn = 500
CONF
printf '"reelway" "%s"\n' "$(cat "$work/postgres/password")" >"$pooler/users"
# PgBouncer refuses to run as root, too.
if [ "$(id -u)" = 0 ]; then
    chown -R postgres "$pooler"
    start pgbouncer setpriv --reuid postgres --regid postgres --clear-groups pgbouncer "$pooler/pgbouncer.ini"
else
    start pgbouncer pgbouncer "$pooler/pgbouncer.ini"
fi
export REELWAY_TEST_POOLER_URL="${REELWAY_TEST_DATABASE_URL/":${postgres_port%%/*}/"/":$pooler_port/"}"
wait_for pgbouncer psql -w "$REELWAY_TEST_POOLER_URL" -c 'select 1'
