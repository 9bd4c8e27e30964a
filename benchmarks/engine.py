#!/usr/bin/env python3
"""Times Reelway's engine against ffmpeg programs: the same source, the same x264 settings, in turn (A B A B ...).

    benchmarks/engine.py [--runs N] [--clips FOLDER] [--json FILE]

FOLDER holds natural clips (default ../shared/media beside the repository): mapillary/sample-5s.mp4 is needed. Prints a
Markdown table of medians and ratios; FILE gets every run.
"""
import argparse, glob, json, os, platform, statistics, subprocess, sys, time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
WORK = os.path.join(ROOT, "out", "bench")
REELWAY = os.path.join(ROOT, ".build", "release", "reelway")


def measure(command):
    """Wall and processor seconds and peak resident MiB of one run; its own accounting, by wait4."""
    begun = time.monotonic()
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    errors = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.monotonic() - begun
    if status != 0:
        sys.exit("failed: %s\n%s" % (" ".join(command), errors.decode(errors="replace")[-400:]))
    return {"wall": wall, "cpu": usage.ru_utime + usage.ru_stime, "rss": usage.ru_maxrss / 1024}


def make(path, command):
    """Makes a source once."""
    if not os.path.exists(path):
        subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-y"] + command + [path], check=True)
    return path


def median(rows, key):
    return statistics.median(row[key] for row in rows)


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--runs", type=int, default=5)
    options.add_argument("--clips", default=os.path.join(os.path.dirname(ROOT), "shared", "media"))
    options.add_argument("--json")
    options = options.parse_args()
    natural = os.path.join(options.clips, "mapillary", "sample-5s.mp4")
    if not os.path.exists(natural):
        sys.exit("bring a natural 1080p30 H.264 clip of some seconds as %s" % natural)
    os.makedirs(WORK, exist_ok=True)
    newest = sorted(glob.glob(os.path.join(ROOT, ".tools", "python", "imageio_ffmpeg", "binaries", "ffmpeg-*")))
    programs = {"ffmpeg 5.1": "ffmpeg"} | ({"ffmpeg newest": newest[-1]} if newest else {})

    loop = lambda seconds: ["-stream_loop", "-1", "-i", natural, "-t", str(seconds)]
    half_minute = make(WORK + "/1080p30-30s.mp4", loop(30) + ["-c", "copy"])
    ten_minutes = make(WORK + "/1080p30-10min.mp4", loop(600) + ["-c", "copy"])
    hlg = make(WORK + "/hlg-4k-8s.mp4", loop(8) + [
        "-vf", "zscale=3840:2160:tin=709:min=709:pin=709:rin=tv:t=arib-std-b67:p=2020:m=2020_ncl:r=tv,format=yuv420p10le", "-c:v", "libx265",
        "-preset", "ultrafast", "-crf", "18", "-x265-params",
        "log-level=none:colorprim=bt2020:transfer=arib-std-b67:colormatrix=bt2020nc", "-tag:v", "hvc1", "-c:a", "copy"])
    conforming = make(WORK + "/conforming-30s.mp4", loop(30) + [
        "-c:v", "libx264", "-preset", "superfast", "-crf", "22", "-profile:v", "high", "-g", "60", "-bf", "0",
        "-maxrate", "20M", "-bufsize", "20M", "-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709",
        "-c:a", "aac", "-b:a", "128k"])

    result = WORK + "/out.mp4"
    reelway = lambda source, *more: [REELWAY, "transcode", source, result, "--overwrite", "--progress", "none", *more]
    x264 = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-bf", "0", "-g", "60", "-profile:v", "high",
            "-maxrate", "24.2M", "-bufsize", "24.2M", "-c:a", "aac", "-b:a", "128k", "-movflags", "+faststart", result]
    chain = ("zscale=t=linear:npl=203,format=gbrpf32le,zscale=p=bt709,tonemap=mobius:desat=0,"
             "zscale=t=bt709:m=bt709:r=tv,format=yuv420p,scale=1920:1080")
    plain = lambda program, source, *filters: [program, "-nostdin", "-v", "error", "-y", "-i", source, *filters]
    equal = ("--force-encode", "--preset", "veryfast", "--crf", "20")
    cases = [("encode 1080p30, 30 s, equal x264 settings", reelway(half_minute, *equal),
              {name: plain(program, half_minute) + x264 for name, program in programs.items()}, options.runs),
             ("HLG 4K to 1080p, tone-mapped at 4K by the peer", reelway(hlg, *equal),
              {"ffmpeg 5.1": plain("ffmpeg", hlg, "-vf", chain) + x264}, max(1, options.runs // 2)),
             ("copy 1080p30, 30 s", reelway(conforming),
              {name: plain(program, conforming) + ["-c", "copy", "-movflags", "+faststart", result]
               for name, program in programs.items()}, options.runs)]

    print("%s, %d cores, %s\n" % (platform.machine(), os.cpu_count(), time.strftime("%Y-%m-%d")))
    print("| case | program | wall s | CPU s | peak MiB | Reelway's wall | Reelway's memory |")
    print("|---|---|--:|--:|--:|--:|--:|")
    kept = []
    for name, own, peers, runs in cases:
        rows = {"Reelway": []} | {peer: [] for peer in peers}
        for _ in range(runs):
            rows["Reelway"].append(measure(own))
            for peer, command in peers.items():
                rows[peer].append(measure(command))
        for program, measured in rows.items():
            pairs = [a["wall"] / b["wall"] for a, b in zip(rows["Reelway"], measured)]
            ratios = ("", "") if program == "Reelway" else (
                "%.2f x" % statistics.median(pairs), "%.2f x" % (median(rows["Reelway"], "rss") / median(measured, "rss")))
            print("| %s | %s | %.2f | %.2f | %.0f | %s | %s |" % (
                name, program, median(measured, "wall"), median(measured, "cpu"), median(measured, "rss"), *ratios))
        kept.append({"case": name, "rows": rows})
        sys.stdout.flush()
    flat = {label: measure(reelway(source, "--force-encode", "--preset", "ultrafast"))
            for label, source in (("30 s", half_minute), ("10 min", ten_minutes))}
    kept.append({"case": "memory by length", "rows": flat})
    print("\nPeak memory: %.0f MiB for 30 s, %.0f MiB for 10 min." % (flat["30 s"]["rss"], flat["10 min"]["rss"]))
    if options.json:
        with open(options.json, "w") as file:
            json.dump(kept, file, indent=1)


main()
