# A OneDrive on loopback over the camera's clips, at the speed of a home connection. Exports the settings it needs, and the
# clip's name and item as REELWAY_DEMO_FILE and REELWAY_DEMO_ITEM.
# shellcheck shell=bash disable=SC2154
onedrive_ready="$work/onedrive.json"
start onedrive "$root/.build/${REELWAY_CONFIGURATION:-debug}/onedrive-sandbox" --folder "$root/fixtures/camera" \
    --bandwidth-mib 1 --ready-file "$onedrive_ready"
wait_for onedrive test -s "$onedrive_ready"
eval "$(python3 - "$onedrive_ready" <<'PYTHON'
import json, shlex, sys
ready = json.load(open(sys.argv[1]))
clip = next(item for item in ready["items"] if item["name"].endswith(".mp4"))
for name, value in {**ready["environment"], "REELWAY_DEMO_FILE": clip["name"], "REELWAY_DEMO_ITEM": clip["id"]}.items():
    print(f"export {name}={shlex.quote(value)}")
PYTHON
)"
