#!/usr/bin/env python3
"""How fast and how exact the lab's link is, against the figures it is to reach.

  lab_speed.py BINARY [--rounds 5] [--only NAME,…] [--seconds 2] [--json] [--against OTHER_BINARY]

BINARY is bothends. In each round every measurement is taken once, one after the other, so that a busy machine is the same for all;
medians are shown, with the lowest and the highest. Five rounds take about six minutes. Run it on a quiet machine: the last line says what
share of it something else took. It needs iperf3, ip, nsenter, unshare and busybox, and runs as an ordinary user or as root. With
--against every measurement is taken with both binaries in turn, and the ratio of the medians is shown.

  veth              one TCP flow between two namespaces, joined by the kernel's own veth pair: what this machine can do
  tun, packet       one TCP flow through the lab, by TUN devices or by packet sockets (/dev/net/tun is hidden)
  tun-loss, …       the same with a rule that decides about each segment (loss 0.001 %: one segment of 100,000)
  no-offload        one TCP flow whose sender's interface cuts nothing and sums nothing
  late, rtt         UDP echoes of 32 bytes over a delay of 10 or 50 ms each way, one after the other: how late packets leave the link,
                    by its own count, and how much longer than twice the delay the program waits, in the median
  rate              bytes of TCP that arrive, against the rate × 1448/1500, behind a first second
  start             from the start of bothends to the start of the client's command, behind a server's that waits (busybox nc), which has
                    to start too
  many              datagrams of 64 bytes, one by one, at 500,000 a second: unplanned drops
"""
import argparse, json, os, statistics, subprocess, sys, tempfile, time

ME = os.path.abspath(__file__)
# An empty folder over /dev/net: no TUN device can be opened.
HIDE_TUN = ["unshare", "-rm", "sh", "-c", 'mount -t tmpfs none /dev/net && exec "$@"', "sh"]
VETH = r"""
ip link add name near type veth peer name far; unshare -n sleep 60 & other=$!
until [ "$(readlink /proc/$other/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.01; done
ip link set far netns $other; ip address add 10.0.0.1/24 dev near; ip link set near up
nsenter -t $other -n sh -c 'ip address add 10.0.0.2/24 dev far; ip link set far up; exec iperf3 -s -1 >/dev/null' & server=$!
until nsenter -t $other -n sh -c 'ss -Hltn | grep -q :5201'; do sleep 0.05; done
iperf3 -c 10.0.0.2 -J -t "$1"; kill $other
"""


def lab(binary, rules, *commands, before=()):
    """Runs a lab; gives its records and what the client wrote."""
    words = [*before, binary, "lab", "--json", "--color", "never", *rules]
    for command in commands:
        words += ["--", *command]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120)
    records, text = [], []
    for line in done.stdout.splitlines():
        record = json.loads(line) if line.startswith('{"v":') else {}
        if record.get("type") == "output" and record["role"] == "client" and record["fd"] == 1:
            text.append(record["text"])
        elif record.get("type") == "link":
            records.append(record)
    if not records:
        sys.exit(f"{' '.join(words)} ended with {done.returncode}:\n{done.stderr[-1000:]}")
    return records[-1], "\n".join(text)


def gbits(text):
    return json.loads(text)["end"]["sum_received"]["bits_per_second"] / 1e9


def flow(rules=(), before=()):
    def measure(binary, flags):
        client = ["iperf3", "-c", "server", "-J", "-t", str(flags.seconds)]
        link, text = lab(binary, rules, ["iperf3", "-s", "-1"], client, before=before)
        if (link["backend"] == "packet") != bool(before):
            sys.exit(f"the lab uses {link['backend']}")
        return gbits(text)
    return measure


def veth(_, flags):
    words = ["unshare", "-rn", "sh", "-c", VETH, "sh", str(flags.seconds)]
    return gbits(subprocess.run(words, stdout=subprocess.PIPE, text=True, timeout=60, check=True).stdout)


def descendants(pid):
    """Processes below this one, those started last at the end."""
    children = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/stat") as stat:
                children.setdefault(int(stat.read().rpartition(")")[2].split()[1]), []).append(int(entry))
        except (FileNotFoundError, ProcessLookupError):
            pass
    below = list(children.get(pid, []))
    for child in below:
        below += children.get(child, [])
    return below


def no_offload(binary, flags):
    """The client's command waits until its interface's offload has been taken away from outside, by the network's owner."""
    with tempfile.TemporaryDirectory() as folder:
        ready, go, out = (os.path.join(folder, name) for name in ("ready", "go", "out"))
        script = f"touch {ready}; until [ -e {go} ]; do sleep 0.02; done; exec iperf3 -c server -J -t {flags.seconds} > {out}"
        process = subprocess.Popen([binary, "lab", "-q", "--", "iperf3", "-s", "-1", "--", "sh", "-c", script],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            return without_offload(process, ready, go, out)
        finally:
            process.kill()


def without_offload(process, ready, go, out):
    while not os.path.exists(ready):
        time.sleep(0.01)
    # The processes between have bothends' own command line, in which the script stands too; the client is the last.
    client = [pid for pid in descendants(process.pid) if ready in open(f"/proc/{pid}/cmdline").read()][-1]
    enter = ["nsenter", "-t", str(client), "-U", "-n", "--preserve-credentials"]
    subprocess.run([*enter, sys.executable, ME, "no-offload", "eth0"], check=True)
    open(go, "w").close()
    process.wait(timeout=60)
    return gbits(open(out).read())


def echoes(delay, count):
    def measure(binary, _):
        link, text = lab(binary, ["--delay", f"{delay}ms", "--client-only"], [sys.executable, ME, "echo-client", str(count)])
        late = [max(link[way]["lateness_us"][of] for way in ("up", "down")) for of in ("p50", "p99")]
        return statistics.median(map(float, text.split())) - 2000 * delay, late
    return measure


def rate(mbits, seconds):
    def measure(binary, _):
        words = [sys.executable, ME]
        _, text = lab(binary, ["--rate", f"{mbits}Mbit/s", "--queue", "4000p"], [*words, "send", str(seconds)], [*words, "sink"])
        return 100 * (float(text) / (mbits * 1e6 * 1448 / 1500) - 1)
    return measure


def start(binary, _):
    """Milliseconds; the median of some starts, without what the client's command takes by itself."""
    taken = {False: [], True: []}
    for _ in range(9):
        for in_lab in taken:
            words = [binary, "lab", "-q", "--", "busybox", "nc", "-l", "-p", "9", "--"] if in_lab else []
            # The kernel is still busy with the end of the network before.
            time.sleep(0.2)
            began = time.time_ns()
            done = subprocess.run([*words, "date", "+%s%N"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=30)
            taken[in_lab].append((int(done.stdout) - began) / 1e6)
    return statistics.median(taken[True]) - statistics.median(taken[False])


def many(before=()):
    def measure(binary, flags):
        words = [sys.executable, ME]
        link, text = lab(binary, [], [*words, "datagram-sink"], [*words, "datagrams", "500000", str(flags.seconds)], before=before)
        if link["up"]["offered"] < 0.98 * 500_000 * flags.seconds:
            print(f"only {link['up']['offered']} datagrams were sent in {text.split()[1]} s", file=sys.stderr)
        return link["up"]["unplanned_drops"]
    return measure


ONE_OF_100_000 = ["--loss", "0.001%"]
# Name, unit, what is to be reached, how it is measured, and which of several results it is.
MEASURED = [
    ("veth", "Gbit/s", None, veth, None),
    ("tun", "Gbit/s", ("≥", 15), flow(), None),
    ("tun-loss", "Gbit/s", ("≥ 85 % of", "tun"), flow(ONE_OF_100_000), None),
    ("packet", "Gbit/s", ("≥", 12), flow(before=HIDE_TUN), None),
    ("packet-loss", "Gbit/s", ("≥ 85 % of", "packet"), flow(ONE_OF_100_000, HIDE_TUN), None),
    ("no-offload", "Gbit/s", ("≥", 3), no_offload, None),
    ("rtt-10ms", "µs", ("±", 30), echoes(10, 100), lambda result: result[0]),
    ("late-p50", "µs", ("≤", 2), "rtt-10ms", lambda result: result[1][0]),
    ("late-p99", "µs", ("≤", 50), "rtt-10ms", lambda result: result[1][1]),
    ("rtt-50ms", "µs", ("±", 30), echoes(50, 30), lambda result: result[0]),
    ("rate-1M", "%", ("±", 0.5), rate(1, 5), None),
    ("rate-10M", "%", ("±", 0.5), rate(10, 3), None),
    ("rate-100M", "%", ("±", 0.5), rate(100, 2), None),
    ("rate-1G", "%", ("±", 0.5), rate(1000, 2), None),
    ("start", "ms", ("≤", 5), start, None),
    ("many", "drops", ("≤", 0), many(), None),
    ("many-packet", "drops", ("≤", 0), many(HIDE_TUN), None),
]


def met(median, bar, medians):
    if bar is None:
        return ""
    how, what = bar
    if how == "≥ 85 % of":
        if what not in medians:
            return ""
        return "yes" if median >= 0.85 * medians[what] else "NO"
    return "yes" if {"≥": median >= what, "≤": median <= what, "±": abs(median) <= what}[how] else "NO"


def idle():
    """Seconds of all processors so far: idle, and all."""
    with open("/proc/stat") as stat:
        ticks = [int(word) for word in stat.readline().split()[1:9]]
    return ticks[3] + ticks[4], sum(ticks)


def quiet():
    """The share of the machine that others use while nothing is measured."""
    before = idle()
    time.sleep(0.5)
    after = idle()
    return 1 - (after[0] - before[0]) / max(1, after[1] - before[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--against", help="another binary, the older one")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2, help="how long one flow lasts")
    parser.add_argument("--only", help="names as in the table, or their beginnings, separated by commas")
    parser.add_argument("--json", action="store_true", help="one JSON line a measurement instead of the table")
    flags = parser.parse_args()
    wanted = tuple(flags.only.split(",")) if flags.only else ("",)
    chosen = [row for row in MEASURED if row[0].startswith(wanted)]
    binaries = [os.path.abspath(binary) for binary in (flags.binary, flags.against) if binary]
    results = {(name, binary): [] for name, *_ in chosen for binary in binaries}
    others = []
    for _ in range(flags.rounds):
        others.append(quiet())
        for binary in binaries:
            several = {}
            for name, _, _, how, pick in chosen:
                source = how if isinstance(how, str) else name
                if source not in several:
                    several[source] = next(row[3] for row in MEASURED if row[0] == source)(binary, flags)
                results[name, binary].append(pick(several[source]) if pick else several[source])
    tell(chosen, binaries, results, flags.json)
    print(f"{statistics.median(others):.1%} of the machine was used by others between the rounds ({max(others):.1%} at most)",
          file=sys.stderr if flags.json else sys.stdout)


def tell(chosen, binaries, results, as_json):
    medians = {name: statistics.median(results[name, binaries[0]]) for name, *_ in chosen}
    if not as_json:
        print(f"{'what':<13}{'to reach':<17}{'median':>9} {'':<7}{'lowest':>9}{'highest':>10}{'rounds':>8}  reached"
              + ("     other   ratio" if len(binaries) > 1 else ""))
    for name, unit, bar, _, _ in chosen:
        values, median = results[name, binaries[0]], medians[name]
        other = statistics.median(results[name, binaries[1]]) if len(binaries) > 1 else None
        if as_json:
            print(json.dumps({"what": name, "unit": unit, "median": round(median, 3), "rounds": [round(value, 3) for value in values],
                              **({"other": round(other, 3)} if other is not None else {})}))
            continue
        goal = "" if bar is None else f"{bar[0]} {bar[1]}"
        against = "" if other is None else f"{other:>10.2f}" + (f"{median / other:>8.2f}" if other else "")
        print(f"{name:<13}{goal:<17}{median:>9.2f} {unit:<7}{min(values):>9.2f}{max(values):>10.2f}{len(values):>8}  "
              f"{met(median, bar, medians):<7}{against}")


# What runs on the hosts: the same file, with a word for what to be.

def take_offload(interface):
    """What `ethtool -K … tso off tx off` does: SIOCETHTOOL with ETHTOOL_STSO and ETHTOOL_STXCSUM."""
    import ctypes, fcntl, socket, struct
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for command in (0x1f, 0x17):
            value = ctypes.create_string_buffer(struct.pack("II", command, 0))
            fcntl.ioctl(sock, 0x8946, struct.pack("16sP16x", interface.encode(), ctypes.addressof(value)))


def echo_client(count):
    import socket
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(5)
        client.connect(("server", 7))
        for number in range(int(count) + 3):
            began = time.perf_counter_ns()
            client.send(b"x" * 32)
            client.recv(100)
            took = time.perf_counter_ns() - began
            # The first ones warm up.
            if number >= 3:
                print(took / 1000)


def send(seconds):
    import socket
    with socket.create_server(("", 5000)) as listener, listener.accept()[0] as peer:
        # The oldest congestion control keeps the queue filled; others leave the line idle now and then, to look for less delay.
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"reno")
        end, block = time.monotonic() + 1 + float(seconds), b"x" * 65536
        while time.monotonic() < end:
            peer.sendall(block)


def sink():
    """Bits a second between the first arrival behind the first second and the last arrival."""
    import socket
    with socket.create_connection(("server", 5000)) as peer:
        began, total, first, last = time.monotonic(), 0, None, None
        while chunk := peer.recv(1 << 20):
            now = time.monotonic()
            total += len(chunk)
            if first is None and now > began + 1:
                first = (now, total)
            last = (now, total)
            # Not what comes when the sender has ended: then the line may have pauses.
            if first and now - first[0] > 20:
                break
        print(8 * (last[1] - first[1]) / (last[0] - first[0]))


def messages(count, length):
    """As many message headers as sendmmsg(2) and recvmmsg(2) take, each with one buffer of its own."""
    import ctypes as c

    class Piece(c.Structure):
        _fields_ = [("base", c.c_void_p), ("length", c.c_size_t)]

    class Header(c.Structure):
        _fields_ = [("name", c.c_void_p), ("name_length", c.c_uint), ("pieces", c.POINTER(Piece)), ("piece_count", c.c_size_t),
                    ("control", c.c_void_p), ("control_length", c.c_size_t), ("flags", c.c_int)]

    class Message(c.Structure):
        _fields_ = [("header", Header), ("length", c.c_uint)]

    array = (Message * count)()
    kept = [array]
    for message in array:
        buffer = c.create_string_buffer(length)
        piece = Piece(c.cast(buffer, c.c_void_p), length)
        kept += [buffer, piece]
        message.header.pieces, message.header.piece_count = c.pointer(piece), 1
    return c.CDLL(None), array, kept


def datagrams(per_second, seconds):
    import socket
    per_second, seconds = int(per_second), float(seconds)
    libc, array, _kept = messages(32, 64)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.connect(("server", 5000))
        began, sent = time.perf_counter(), 0
        while (passed := time.perf_counter() - began) < seconds:
            if sent < passed * per_second:
                sent += max(0, libc.sendmmsg(out.fileno(), array, 32, 0))
        print(sent, time.perf_counter() - began)


def datagram_sink():
    import socket
    libc, array, _kept = messages(64, 64)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("", 5000))
        while libc.recvmmsg(sock.fileno(), array, 64, 0x10000, None) > 0:
            pass


ROLES = {"no-offload": take_offload, "echo-client": echo_client, "send": send, "sink": sink, "datagrams": datagrams, "datagram-sink": datagram_sink}

if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] in ROLES:
        ROLES[sys.argv[1]](*sys.argv[2:])
    else:
        main()
