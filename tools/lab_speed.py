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
                    by its own count, and how much longer than twice the delay the program waits, in the median. Both programs are
                    tools/reference's in C: what an interpreter needs to get going again after a sleep is nothing of the lab's
  rate              bytes of TCP that arrive, against the rate × 1448/1500, behind a first second
  start             from the start of bothends to the start of the client's command, behind a server's that waits (busybox nc), which has
                    to start too
  many, many-rate   unplanned drops of datagrams of 64 bytes that come at 505,000 a second, and how many thousand a second the link
                    carried. Whoever has each sent by itself (sendmmsg) spends all of one processor on that at this rate, and two
                    have to carry and to receive them too. So tools/reference/u_rate.c hands over trains of 64 (UDP_SEGMENT), every
                    127 µs, and the client's interface takes no packet of several segments any more (gso_max_segs 1): its kernel
                    cuts them, and the link gets each datagram by itself. That it has read every single one so is checked. At the
                    server tools/reference/u_count.c receives each by itself too; what came too fast for its socket is told.
  many-gro, …       the same where the server takes trains (UDP_GRO): then its kernel does not cut what the link has joined
"""
import argparse, atexit, functools, json, os, shutil, statistics, subprocess, sys, tempfile, time

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


@functools.cache
def reference(name):
    """A program of tools/reference, compiled into a folder that goes with this process."""
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder)
    source = os.path.join(os.path.dirname(ME), "reference", f"{name}.c")
    subprocess.run(["cc", "-O2", "-pthread", "-o", os.path.join(folder, name), source], check=True)
    return os.path.join(folder, name)


def lab(binary, rules, *commands, before=()):
    """Runs a lab; gives its records and what the client wrote."""
    words = [*before, binary, "lab", "--json", "--color", "never", *rules]
    for command in commands:
        words += ["--", *command]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120)
    link, outputs = told(done.stdout)
    if not link:
        sys.exit(f"{' '.join(words)} ended with {done.returncode}:\n{done.stderr[-1000:]}")
    return link, outputs["client"]


def told(output):
    """What a lab's records say: the link's, and what both programs wrote."""
    link, texts = None, {"client": [], "server": []}
    for line in output.splitlines():
        record = json.loads(line) if line.startswith('{"v":') else {}
        if record.get("type") == "output" and record["fd"] == 1:
            texts[record["role"]].append(record["text"])
        elif record.get("type") == "link":
            link = record
    return link, {role: "\n".join(text) for role, text in texts.items()}


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
    client = ["iperf3", "-c", "server", "-J", "-t", str(flags.seconds)]
    output = prepared(binary, ["iperf3", "-s", "-1"], client, take_offload)
    return gbits(told(output)[1]["client"])


def prepared(binary, server, client, prepare, before=()):
    """The client's command waits until the network's owner has done something on its host from outside; gives the lab's records."""
    with tempfile.TemporaryDirectory() as folder:
        ready, go = (os.path.join(folder, name) for name in ("ready", "go"))
        waiting = ["sh", "-c", f'touch {ready}; until [ -e {go} ]; do sleep 0.02; done; exec "$@"', "sh", *client]
        words = [*before, binary, "lab", "--json", "--color", "never", "--", *server, "--", *waiting]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            while not os.path.exists(ready):
                time.sleep(0.01)
            # The processes between have bothends' own command line, in which the script stands too; the client is the last.
            host = [pid for pid in descendants(process.pid) if ready in command_line(pid)][-1]
            on_host(host, prepare)
            open(go, "w").close()
            return process.communicate(timeout=60)[0]
        finally:
            process.kill()


def on_host(pid, do):
    """Does something in a process's network with the rights of its owner, which a program that an ordinary user executes loses."""
    import ctypes
    spaces = [(os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY), flag) for name, flag in (("user", 0x10000000), ("net", 0x40000000))]
    child = os.fork()
    if child == 0:
        libc = ctypes.CDLL(None)
        done = all(libc.setns(space, flag) == 0 for space, flag in spaces)
        try:
            do("eth0")
        except OSError as error:
            done = print(error, file=sys.stderr)
        os._exit(0 if done else 1)
    for space, _ in spaces:
        os.close(space)
    if os.waitpid(child, 0)[1] != 0:
        sys.exit("the client's interface cannot be changed")


def take_offload(interface):
    """What `ethtool -K … tso off tx off` does: SIOCETHTOOL with ETHTOOL_STSO and ETHTOOL_STXCSUM."""
    import ctypes, fcntl, socket, struct
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for command in (0x1f, 0x17):
            value = ctypes.create_string_buffer(struct.pack("II", command, 0))
            fcntl.ioctl(sock, 0x8946, struct.pack("16sP16x", interface.encode(), ctypes.addressof(value)))


def take_trains(interface):
    """What `ip link set … gso_max_segs 1` does: RTM_NEWLINK with IFLA_GSO_MAX_SEGS."""
    import socket, struct
    body = struct.pack("=BxHiII", 0, 0, socket.if_nametoindex(interface), 0, 0) + struct.pack("=HHI", 8, 40, 1)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as sock:
        sock.send(struct.pack("=IHHII", 16 + len(body), 16, 5, 1, 0) + body)
        error = struct.unpack_from("=i", sock.recv(4096), 16)[0]
    if error:
        raise OSError(-error, os.strerror(-error))


def command_line(pid):
    """Nothing of a process that has ended meanwhile."""
    try:
        with open(f"/proc/{pid}/cmdline") as words:
            return words.read()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def echoes(delay, count):
    def measure(binary, _):
        server, client = [reference("u_echo"), "7000", "simple"], [reference("u_rtt"), "server", "7000", str(count)]
        link, text = lab(binary, ["--delay", f"{delay}ms"], server, client)
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


def many(receiver, before=()):
    """Unplanned drops, and how many thousand datagrams a second were carried."""
    def measure(binary, flags):
        server = [reference("u_count"), "5000", receiver]
        client = [reference("u_rate"), "server", "5000", "505000", str(flags.seconds), "64", "64"]
        link, texts = told(prepared(binary, server, client, take_trains, before))
        if (link["backend"] == "packet") != bool(before):
            sys.exit(f"the lab uses {link['backend']}")
        way, (sent, took), received = link["up"], texts["client"].split(), int(texts["server"])
        # Each read that was written has one lateness, however many segments it stands for.
        single = sum(way["lateness_us"]["within"].values())
        if single != way["delivered"]:
            sys.exit(f"{way['delivered']} datagrams were read as {single} packets")
        if way["offered"] + way["unplanned_drops"] < int(sent) or received < way["delivered"]:
            print(f"{sent} sent, {way['offered']} offered, {way['delivered']} delivered, {received} received", file=sys.stderr)
        return way["unplanned_drops"], way["delivered"] / float(took) / 1000
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
    ("many", "drops", ("≤", 0), many("plain"), lambda result: result[0]),
    ("many-rate", "k/s", ("≥", 500), "many", lambda result: result[1]),
    ("many-packet", "drops", ("≤", 0), many("plain", HIDE_TUN), lambda result: result[0]),
    ("many-packet-rate", "k/s", ("≥", 500), "many-packet", lambda result: result[1]),
    ("many-gro", "drops", ("≤", 0), many("gro"), lambda result: result[0]),
    ("many-gro-rate", "k/s", ("≥", 500), "many-gro", lambda result: result[1]),
    ("many-gro-packet", "drops", ("≤", 0), many("gro", HIDE_TUN), lambda result: result[0]),
    ("many-gro-packet-rate", "k/s", ("≥", 500), "many-gro-packet", lambda result: result[1]),
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
        print(f"{'what':<22}{'to reach':<17}{'median':>9} {'':<7}{'lowest':>9}{'highest':>10}{'rounds':>8}  reached"
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
        print(f"{name:<22}{goal:<17}{median:>9.2f} {unit:<7}{min(values):>9.2f}{max(values):>10.2f}{len(values):>8}  "
              f"{met(median, bar, medians):<7}{against}")


# What runs on the hosts: the same file, with a word for what to be.

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


ROLES = {"send": send, "sink": sink}

if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] in ROLES:
        ROLES[sys.argv[1]](*sys.argv[2:])
    else:
        main()
