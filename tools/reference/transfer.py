#!/usr/bin/env python3
"""Measure pairs of programs that move one stream, side by side: every pair in turn, round after round.

  transfer.py --size 1G NAME='RECEIVER with {p} | SENDER with {p} and {file}' ...

The receiver is started first and the sender once it listens; the time is the sender's and the receiver's together, from
the sender's start to the end of whichever of the two ends by itself (`^` in front of a command: its end is waited for,
and the other one is stopped then). {p} is the port, {file} a file of that size in the page cache, {ref} the folder of the C
references. Server on core 0, client on core 1. Each line printed is JSON: median, minimum, maximum in GB/s, and the ratio
of medians to the first pair.
"""
import argparse, json, os, signal, statistics, subprocess, sys, tempfile, time

here = os.path.dirname(os.path.abspath(__file__))
ref = os.path.join(tempfile.gettempdir(), "bothends-reference")
units = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}

def enter_namespace():
    if os.geteuid() == 0 and not os.environ.get("COMPARE_INSIDE"):
        os.environ["COMPARE_INSIDE"] = "1"
        os.execvp("unshare", ["unshare", "-n", "sh", "-c", 'ip link set lo up; exec "$0" "$@"', sys.executable, *sys.argv])

def start(command, core):
    waits = command.startswith("^")
    words = ["taskset", "-c", str(core), "sh", "-c", "exec " + command.lstrip("^")]
    child = subprocess.Popen(words, start_new_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        open(f"/proc/{child.pid}/autogroup", "w").write("-10")
    except OSError:
        pass
    return child, waits

def listens(port, until):
    hexport = f":{port:04X}"
    while time.time() < until:
        for table in ("/proc/net/tcp", "/proc/net/tcp6"):
            for line in open(table).readlines()[1:]:
                words = line.split()
                if words[1].endswith(hexport) and words[3] == "0A":
                    return True
        time.sleep(0.005)
    return False

def once(pair, port, file):
    fill = lambda text: text.strip().replace("{p}", str(port)).replace("{file}", file).replace("{ref}", ref)
    receiver, sender = (fill(side) for side in pair.split("|"))
    (r, r_waits) = start(receiver, 0)
    if not listens(port, time.time() + 10):
        raise SystemExit(f"nothing listens: {receiver}")
    began = time.perf_counter()
    (s, s_waits) = start(sender, 1)
    for child, waits in ((s, s_waits), (r, r_waits)):
        if waits:
            child.wait(timeout=120)
    took = time.perf_counter() - began
    for child in (s, r):
        for sig in (signal.SIGTERM, signal.SIGKILL):
            if child.poll() is None:
                os.killpg(child.pid, sig)
                try:
                    child.wait(timeout=1)
                except subprocess.TimeoutExpired:
                    pass
    return took

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("pairs", nargs="+")
    p.add_argument("--size", default="1G")
    p.add_argument("--rounds", type=int, default=5)
    a = p.parse_args()
    enter_namespace()
    subprocess.run(["make", "-s", "-C", here, f"OUT={ref}"], check=True)
    size = int(a.size[:-1]) * units[a.size[-1]]
    with tempfile.NamedTemporaryFile() as file:
        block = os.urandom(1 << 20)
        for _ in range(size >> 20):
            file.write(block)
        file.flush()
        pairs = dict(pair.split("=", 1) for pair in a.pairs)
        seen = {name: [] for name in pairs}
        port = 21000
        for _ in range(a.rounds):
            for name, pair in pairs.items():
                port += 1
                seen[name].append(size / 1e9 / once(pair, port, file.name))
    first = statistics.median(next(iter(seen.values())))
    for name, values in seen.items():
        middle = statistics.median(values)
        print(json.dumps({"pair": name, "gb_per_s": round(middle, 3), "min": round(min(values), 3), "max": round(max(values), 3),
                          "ratio": round(middle / first, 3)}), flush=True)
    spin = subprocess.run([f"{ref}/gap"], stdout=subprocess.PIPE, text=True).stdout.strip()
    print(json.dumps({"machine": spin}))

main()
