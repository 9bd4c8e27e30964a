# A TUS server from PyPI (`resumable-upload`). Exports REELWAY_TEST_TUS_URL, the address uploads are created at.
tus_port=$(free_port)
export REELWAY_TEST_TUS_URL="http://127.0.0.1:$tus_port/files"
start tus env PYTHONPATH="$root/.tools/resumable-upload" python3 -m resumable_upload serve --host 127.0.0.1 --port "$tus_port" \
    --upload-dir "$work/tus" --db-path "$work/tus.db" --enable-downloads --request-timeout 10 --log-level WARNING
wait_for tus curl -sSf --max-time 2 -X OPTIONS "$REELWAY_TEST_TUS_URL"
