# A PostgreSQL server: REELWAY_TEST_DATABASE_URL, of a superuser. REELWAY_TEST_POSTGRES_SERVER makes more of them, for tests
# that stop one.
# shellcheck shell=bash disable=SC2154
export REELWAY_TEST_POSTGRES_SERVER="$services/postgres-server"
export REELWAY_TEST_POSTGRES_HOME="$work/postgres"
mkdir -p "$REELWAY_TEST_POSTGRES_HOME"
# Tests look for this password in everything that is said; it needs escaping in an address.
printf 'planted-secret/password' >"$REELWAY_TEST_POSTGRES_HOME/password"
if [ "$(id -u)" = 0 ]; then
    chmod 711 "$work"
    chown -R postgres "$REELWAY_TEST_POSTGRES_HOME"
fi
# The servers are nobody's children; this one stands for them, and stops them all at the end.
start postgres bash -c 'trap "\"$REELWAY_TEST_POSTGRES_SERVER\" stop-all; kill \$!; exit" TERM; while :; do sleep 86400 & wait $!; done'
REELWAY_TEST_DATABASE_URL=$("$REELWAY_TEST_POSTGRES_SERVER" new main)
export REELWAY_TEST_DATABASE_URL
# A lease that has run out is left alone for so long after the server's start.
sleep 5
