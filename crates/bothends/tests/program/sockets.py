"""Sockets of every kind in every state, in a network namespace of the test's own; then `bothends sockets` beside ss and
netstat: the same rows, owners and counters. Says `ok` at its end.

usage: sockets.py BOTHENDS rows|filters|situations|kill|events|many|memory|answers|language|lsof|hostile"""

import fcntl
import json
import os
import random
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../../../tools"))
import many_sockets

BOTHENDS, WHAT = sys.argv[1:3]
kept = []


def output(*words):
    ran = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=30)
    return ran.stdout


def fail(text):
    print(text)
    sys.exit(1)


def keep(made):
    kept.append(made)
    return made


def until(what, holds):
    deadline = time.monotonic() + 20
    while not holds():
        if time.monotonic() > deadline:
            fail(f"{what}: never; {output('ss', '-tan')}")


def server(host="127.0.0.1", port=0, backlog=16, family=socket.AF_INET, options=()):
    made = keep(socket.socket(family, socket.SOCK_STREAM))
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    for option in options:
        made.setsockopt(*option)
    made.bind((host, port))
    made.listen(backlog)
    return made


def pair(listener, **options):
    client = keep(socket.socket(listener.family, socket.SOCK_STREAM))
    for option, value in options.items():
        client.setsockopt(socket.SOL_SOCKET, getattr(socket, option), value)
    client.connect(listener.getsockname()[:2])
    accepted, _ = listener.accept()
    return client, keep(accepted)


def full(sender):
    """Writes until nothing more fits."""
    sender.setblocking(False)
    try:
        while True:
            sender.send(b"x" * 65536)
    except BlockingIOError:
        pass


def states():
    return set(output("ss", "-Htan").split()) & STATES


STATES = {"LISTEN", "ESTAB", "SYN-SENT", "SYN-RECV", "FIN-WAIT-1", "FIN-WAIT-2", "TIME-WAIT", "CLOSE-WAIT", "LAST-ACK", "CLOSING"}


def every_kind():
    quiet = server()
    pair(quiet)
    server("::", family=socket.AF_INET6)
    six = server("::", family=socket.AF_INET6, options=[(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)])
    mapped = server("::", family=socket.AF_INET6)
    client = keep(socket.socket())
    client.connect(("127.0.0.1", mapped.getsockname()[1]))
    keep(mapped.accept()[0])
    over_six = keep(socket.socket(socket.AF_INET6))
    over_six.connect(("::1", six.getsockname()[1]))
    keep(six.accept()[0])
    # FIN-WAIT-2 and CLOSE-WAIT.
    client, accepted = pair(quiet)
    client.shutdown(socket.SHUT_WR)
    # TIME-WAIT.
    client, accepted = pair(quiet)
    client.close()
    accepted.close()
    # Unread and unacknowledged bytes.
    client, accepted = pair(quiet)
    client.send(b"twelve bytes")
    client, accepted = pair(server())
    full(client)
    # FIN-WAIT-1: the FIN stands behind what does not fit.
    client, accepted = pair(server())
    full(client)
    client.close()
    # LAST-ACK: the same, and the other end closed first.
    client, accepted = pair(server())
    accepted.shutdown(socket.SHUT_WR)
    full(client)
    client.close()
    # CLOSING: both closed, and one FIN is stuck.
    client, accepted = pair(server())
    full(client)
    client.shutdown(socket.SHUT_WR)
    accepted.shutdown(socket.SHUT_WR)
    # SYN-RECV: nobody is asked before there are data (TCP_DEFER_ACCEPT).
    defers = server(options=[(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 60)])
    keep(socket.socket()).connect(defers.getsockname())
    # SYN-SENT: the queue is full.
    crowded = server(backlog=0)
    for _ in range(3):
        caller = keep(socket.socket())
        caller.setblocking(False)
        caller.connect_ex(crowded.getsockname())
    alive, _ = pair(quiet)
    alive.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    # Datagrams: unconnected, connected, of IPv6, and one that drops.
    receiver = keep(socket.socket(type=socket.SOCK_DGRAM))
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    receiver.bind(("127.0.0.1", 0))
    sender = keep(socket.socket(type=socket.SOCK_DGRAM))
    sender.connect(receiver.getsockname())
    for _ in range(20):
        sender.send(b"x" * 500)
    keep(socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)).bind(("::1", 0))
    keep(socket.socket(type=socket.SOCK_DGRAM)).setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")
    kept[-1].bind(("0.0.0.0", 0))
    keep(socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP))
    keep(socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6))
    keep(socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(3)))
    keep(socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.ntohs(0x0806)))
    folder = keep(tempfile.TemporaryDirectory()).name
    for kind, name in [(socket.SOCK_STREAM, "stream"), (socket.SOCK_SEQPACKET, "seqpacket")]:
        listener = keep(socket.socket(socket.AF_UNIX, kind))
        listener.bind(f"{folder}/{name}")
        listener.listen(5)
        keep(socket.socket(socket.AF_UNIX, kind)).connect(f"{folder}/{name}")
        keep(listener.accept()[0])
    keep(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)).bind("\0a name of bothends")
    one, other = socket.socketpair(type=socket.SOCK_DGRAM)
    keep(one), keep(other)
    one.send(b"unread")
    # What is shared with another process.
    child = os.fork()
    if child == 0:
        signal.pause()
    kept.append(child)
    until("every state", lambda: states() == STATES)


# What runs on between two looks.
RUNNING = re.compile(r"timer:\(([a-z]+)[^)]*\)|\b(lastsnd|lastrcv|lastack|busy|rwnd_limited|sndbuf_limited|rto|backoff|delivered|bytes_sent|bytes_retrans|segs_out|segs_in|data_segs_out|data_segs_in|unacked|retrans|lost|cwnd|ssthresh|notsent|snd_wnd|rcv_wnd|rehash|reordering|rcv_ssthresh|mrtt|pacing_gain|cwnd_gain|bw):[^ ]*|(send|pacing_rate|delivery_rate) [^ ]*")


def rows(text, exact):
    """Each row as its words; what moves between two looks by its name only."""
    found = []
    for line in text.splitlines():
        if not exact:
            line = RUNNING.sub(lambda match: next(filter(None, match.groups())), line)
            # Not every ss knows these words.
            line = re.sub(r" (rcv_wnd|rehash|usec_ts)\b", "", line)
        line = re.sub(r"timer:\(([a-z]+)[^)]*\)", r"\1", line)
        line = re.sub(r" cgroup:\S+", "", line)
        # The order of owners is a hash table's in ss, and by process in ours.
        line = re.sub(r"users:\((\(.*\))\)", lambda match: " ".join(sorted(re.findall(r"\([^)]*\)", match[1]))), line)
        found.append(" ".join(line.split()))
    return sorted(found)


def without_peer_names(text):
    """We say what the other end of a Unix connection is called; ss does not."""
    named = re.compile(r"^(u_\S+ +\S+ +\d+ +\d+ +.*? \d+) +\S.*? (\d+)(?= |$)", re.MULTILINE)
    return named.sub(r"\1 * \2", text)


def same(words, exact=True):
    """ss looks before us and after us; the answer has to be one of these."""
    for _ in range(5):
        before = rows(output("ss", "-HO", *words), exact)
        ours = output(BOTHENDS, "sockets", "-HO", *words)
        ours = rows(without_peer_names(ours), exact)
        after = rows(output("ss", "-HO", *words), exact)
        if ours in (before, after):
            return len(ours)
    theirs = [row for row in after if row not in ours]
    fail(f"{' '.join(words)}\nonly ss:\n" + "\n".join(theirs) + "\nonly bothends:\n" + "\n".join(row for row in ours if row not in after))


def compare_rows():
    counted = 0
    for words in ["-tan", "-tulpn", "-tan4", "-tan6", "-tn", "-un", "-uan", "-wan", "-xan", "-xln", "-tln", "-tunap", "-xap -n",
                  "-tane", "-uane", "-tanm", "-uanm", "-tano", "-xanm", "-A tcp,udp -n", "-A unix,!u_dgr -an", "-f inet -an",
                  "-tan state fin-wait-2", "-tan state connected", "-tan exclude listening exclude established",
                  "-tan state bucket", "-tn state big", "-tan state synchronized"]:
        counted += same(words.split())
    for words in ["-tani", "-tinemoa", "-taniep"]:
        counted += same(words.split(), exact=False)
    if counted < 300:
        fail(f"only {counted} rows were compared")
    owners()
    records()
    until("the summary is the same", lambda: summary_of(output(BOTHENDS, "sockets", "-s")) == summary_of(output("ss", "-s")))
    if "datagrams dropped because nobody read in time" not in output(BOTHENDS, "sockets", "-s"):
        fail("the datagrams that were dropped are not told")


def summary_of(text):
    """Up to where ours goes on."""
    return [line.split() for line in text.splitlines()[:9]]


def owners():
    """One socket, several processes: all of them, as ss says."""
    port = kept[0].getsockname()[1]
    found = [json.loads(line) for line in output(BOTHENDS, "sockets", "--json", "-tln", "sport", "=", f":{port}").splitlines()]
    pids = sorted(owner["pid"] for owner in found[0]["processes"])
    expected = sorted([os.getpid(), kept[-1]])
    if len(found) != 1 or pids != expected:
        fail(f"owners: {pids}, not {expected}")


def compare_lsof():
    """The same process and descriptor has the same socket, by its inode. Where we differ, this says why."""
    # In no table of the kernel, as it was never bound nor connected: lsof finds it among the descriptors only, and knows no address.
    child, idle = kept[-1], socket.socket()
    if str(os.fstat(idle.fileno()).st_ino) in output(BOTHENDS, "sockets", "-tae"):
        fail("a socket without an address is listed")
    if "sock" not in output("lsof", "-a", "-p", str(os.getpid()), "-d", str(idle.fileno())):
        fail("lsof does not know it either")
    for _ in range(5):
        before, ours, after = by_lsof(child), by_us(child), by_lsof(child)
        if ours in (before, after):
            break
    else:
        fail(f"only lsof: {sorted(after - ours)}\nonly bothends: {sorted(ours - after)}")
    pids = {pid for pid, _, _ in ours}
    if len(ours) < 40 or not {os.getpid(), child} <= pids:
        fail(f"only {len(ours)} descriptors of {pids}")
    # One descriptor may be in a whole family of processes, and each is its owner.
    shared = {inode for pid, _, inode in ours if pid == os.getpid()} & {inode for pid, _, inode in ours if pid == child}
    if len(shared) < 40:
        fail(f"only {len(shared)} sockets are shared with the child")
    addresses()


def by_lsof(child):
    """Pid, descriptor and inode of every socket that lsof finds, but those of netlink, which `sockets` does not list."""
    found, pid, descriptor = set(), None, None
    # -U Unix, -i internet; raw and packet sockets are among all files only.
    for line in output("lsof", "-n", "-P", "-w", "-F", "pftidn").split("\n"):
        kind, value = line[:1], line[1:]
        match kind:
            case "p":
                pid = int(value)
            case "f":
                descriptor, of_type, device, inode = value, None, None, None
            case "t":
                of_type = value
            case "d":
                device = value
            case "i":
                inode = value
            case "n" if descriptor.isdigit() and of_type in ("IPv4", "IPv6", "unix", "pack", "raw", "raw6"):
                # lsof has the inode of internet and packet sockets in the place of the device.
                number = device if of_type in ("IPv4", "IPv6", "pack") else inode
                found.add((pid, int(descriptor), int(number)))
    return ours_only(found, child)


def by_us(child):
    found = set()
    for flags in ["-tuwxa", "-0"]:
        for record in map(json.loads, output(BOTHENDS, "sockets", "--json", flags).splitlines()):
            found |= {(owner["pid"], owner["fd"], record["inode"]) for owner in record["processes"]}
    return ours_only(found, child)


def ours_only(found, child):
    """Of this test's processes: others may be in another network namespace, whose sockets lsof shows without saying what they are, or
    come and go."""
    return {(pid, descriptor, inode) for pid, descriptor, inode in found if pid in (os.getpid(), child)}


def addresses():
    """lsof's name of each socket of TCP: both addresses, as ours are; not for those without a process, which lsof does not see."""
    theirs, inode = {}, None
    for line in output("lsof", "-n", "-P", "-w", "-a", "-p", str(os.getpid()), "-iTCP", "-F", "dn").split("\n"):
        if line[:1] == "d":
            inode = int(line[1:])
        elif line[:1] == "n":
            theirs[inode] = line[1:]
    checked = 0
    for record in map(json.loads, output(BOTHENDS, "sockets", "--json", "-ta").splitlines()):
        name = theirs.get(record["inode"])
        if not name:
            continue
        # lsof takes mapped addresses for what they map, any address for `*`, and says nothing of an end that is none.
        ends = [record["local"]] + ([] if record["remote"].endswith(":0") else [record["remote"]])
        expected = "->".join(re.sub(r"^(0\.0\.0\.0|\[::\]):", "*:", end.replace("[::ffff:127.0.0.1]", "127.0.0.1")) for end in ends)
        if name.replace("[::ffff:127.0.0.1]", "127.0.0.1") != expected:
            fail(f"lsof calls {record['inode']} {name}, not {expected}")
        checked += 1
    if checked < 20:
        fail(f"only {checked} addresses were compared")


def records():
    """What /proc says of the packet sockets, and the counters of TCP_INFO as this process reads them itself."""
    packets = [json.loads(line) for line in output(BOTHENDS, "sockets", "--json", "-0").splitlines()]
    with open("/proc/net/packet") as table:
        inodes = sorted(int(line.split()[8]) for line in table.readlines()[1:])
    if sorted(packet["inode"] for packet in packets) != inodes or len(inodes) != 2:
        fail(f"packet sockets: {packets}, not {inodes}")
    for made in kept:
        if isinstance(made, socket.socket) and made.family == socket.AF_INET and made.type == socket.SOCK_STREAM and made.fileno() >= 0:
            info = made.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 512)
            inode = os.fstat(made.fileno()).st_ino
            record = [record for record in map(json.loads, output(BOTHENDS, "sockets", "--json", "-tan").splitlines()) if record["inode"] == inode]
            if record and record[0]["state"] == "ESTABLISHED":
                rtt = int.from_bytes(info[68:72], sys.byteorder)
                if record[0]["tcp"]["rtt_us"] != rtt:
                    fail(f"rtt: {record[0]['tcp']['rtt_us']}, not {rtt}")
                return
    fail("no connection to look at")


def compare_filters():
    dice = random.Random(7)
    ports = [made.getsockname()[1] for made in kept if isinstance(made, socket.socket) and made.fileno() >= 0 and made.family in (socket.AF_INET, socket.AF_INET6) and made.type != socket.SOCK_RAW]
    port = lambda: str(dice.choice(ports + [0, 1, 443, 32768, 65535]))
    # Not `[::]` and `0.0.0.0/0`: behind an `or` ss takes them for addresses of either family; by themselves it does not.
    places = ["127.0.0.1", "127.0.0.0/8", "127/8", "10.0.0.0/8", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:0:0/96]", "127.0.0.1/31", "*"]

    def condition():
        match dice.randrange(6):
            case 0:
                return f"{dice.choice(['sport', 'dport'])} {dice.choice(['=', '==', 'eq', '!=', 'ne', 'neq', '<', 'lt', '>', 'gt', '<=', 'le', 'leq', '>=', 'ge', 'geq', ''])} {dice.choice(['', ':'])}{port()}"
            case 1:
                return f"{dice.choice(['src', 'dst'])} {dice.choice(['', '='])} {dice.choice(places)}"
            case 2:
                return f"{dice.choice(['src', 'dst'])} {dice.choice(['127.0.0.1', '[::1]', '*', ''])}:{port()}"
            case 3:
                return f"{dice.choice(['not', '!'])} {condition()}"
            case 4:
                return f"( {expression(2)} )"
            case _:
                return dice.choice(["autobound", "dport = *", "dev = lo", "dev != lo", "fwmark = 0"])

    def expression(most):
        text = condition()
        for _ in range(dice.randrange(most)):
            text += f" {dice.choice(['and', '&', '&&', 'or', '|', '||', ''])} {condition()}"
        return text

    held = 0
    for _ in range(300):
        flags = dice.choice(["-tan", "-tuan", "-tan4", "-uan", "-tan6"])
        words = expression(4).split()
        states = dice.choice([[], [], ["state", "all"], ["exclude", "time-wait"], ["state", "established", "state", "listening"]])
        held += same([flags, *states, *words]) > 0
    if not 60 < held:
        fail(f"only {held} filters let anything through")
    # A family holds for all that follows it, and for what is listed.
    for words in ["-xan src unix:*stream", "-xan dst unix:*", "-xan src *name*", "-an src unix:*seq*", "-tan src inet:127/8", "-tan dst inet6:*", "-tuan src inet6:[::1]",
                  "-tan not src inet:127/8", "-tan src inet:127/8 or sport gt :1", "-an dst inet:*"]:
        same(words.split())


def language():
    """The rest of the filter language, on sockets that were made up: names of services, marks with masks, interfaces, control groups,
    networks of both families, brackets of both kinds, any depth."""
    dice = random.Random(7)
    hosts4 = [bytes([10, 0, dice.randrange(4), dice.randrange(4)]) for _ in range(8)] + [b"\x7f\0\0\1", bytes(4)]
    hosts6 = [b"\x20\x01\x0d\xb8" + bytes(11) + bytes([last]) for last in (1, 2, 130)] + [bytes(15) + b"\1", bytes(16), bytes(10) + b"\xff\xff\x0a\0\1\2"]
    group = "/sys/fs/cgroup/unified" if os.path.isdir("/sys/fs/cgroup/unified") else "/sys/fs/cgroup"
    groups = [os.stat(group).st_ino, 4711]

    def made_up(number):
        family = dice.choice([2, 10])
        host = lambda: dice.choice(hosts4).ljust(16, b"\0") if family == 2 else dice.choice(hosts6)
        port = lambda: dice.choice([0, 22, 80, 443, 8080, 32768, 40000, 60999, 61000, 65535]).to_bytes(2, "big")
        body = many_sockets.NAMES.pack(family, 1, 0, 0, port(), port(), host(), host(), dice.choice([0, 1]), number, 0, 0, number, 0, 0, number)
        mark, own = dice.choice([0, 1, 0x10, 0x11, 0xff00, 0xffffffff]), dice.choice(groups)
        kept = many_sockets.attribute(15, struct.pack("=I", mark)) + many_sockets.attribute(21, struct.pack("=Q", own))
        return many_sockets.message(many_sockets.BY_FAMILY, body + (kept if dice.random() < 0.8 else b""))

    equals, orders = ["", "=", "==", "eq", "!=", "ne", "neq"], ["<", "lt", ">", "gt", "<=", "le", "leq", ">=", "ge", "geq"]
    ports = ["22", "80", "443", "8080", "32768", "60999", "61000", "65535", "0", "ssh", "http", "https", "domain", "*"]
    places = ["10.0.0.0/8", "10/8", "10.0.1/24", "10.0.0.0/31", "127.0.0.1", "[2001:db8::/32]", "[2001:db8::/127]", "[2001:db8::2]", "[::1]", "[::1]:http",
              "10.0.1.2:443", "*:ssh", ":80", "[::ffff:10.0.1.2]", "[::ffff:0:0/96]"]

    def condition():
        match dice.randrange(8):
            case 0 | 1:
                return f"{dice.choice(['sport', 'dport'])} {dice.choice(equals + orders)} {dice.choice(['', ':'])}{dice.choice(ports)}"
            case 2 | 3:
                # ss says `not src`, never `src !=`.
                return f"{dice.choice(['src', 'dst'])} {dice.choice(['', '=', '==', 'eq'])} {dice.choice(places)}"
            case 4:
                return f"{dice.choice(['not', '!'])} {condition()}"
            case 5:
                return f"( {expression(3)} )"
            case 6:
                return f"fwmark {dice.choice(equals)} {dice.choice(['0', '1', '0x10', '0x11/0x10', '0x10/0xf0', '0/0xff', '255/0xff', '0xffffffff', '020'])}"
            case _:
                # By the file: the group's own path, as both show it, is a condition for us only.
                return dice.choice(["autobound", "dev = lo", "dev != lo", "dev lo", f"cgroup = {group}", f"cgroup != {group}"])

    def expression(most):
        text = condition()
        for _ in range(dice.randrange(most)):
            text += f" {dice.choice(['and', '&', '&&', 'or', '|', '||', ''])} {condition()}"
        return text

    chosen = 0
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/answers"
        with open(path, "wb") as file:
            for number in range(500):
                file.write(made_up(number))
            file.write(many_sockets.message(many_sockets.DONE, bytes(4)))
        for _ in range(500):
            text = expression(5)
            ran = subprocess.run(["ss", "-HtanO", text], env={**os.environ, "TCPDIAG_FILE": path}, capture_output=True, text=True)
            ours = output(BOTHENDS, "sockets", "-HtanO", "--from", path, text)
            if ran.stderr or [line.split() for line in ran.stdout.splitlines()] != [line.split() for line in ours.splitlines()]:
                fail(f"{text}\n{ran.stderr}{len(ran.stdout.splitlines())} rows of ss, {len(ours.splitlines())} of ours")
            chosen += 0 < len(ours.splitlines()) < 500
    if chosen < 300:
        fail(f"only {chosen} filters chose some and left some")


def netstat():
    """Rows of TCP, each: local, remote, state, process."""
    found = set()
    for line in output("netstat", "-tanp").splitlines()[2:]:
        words = line.split()
        found.add((words[3], words[4], words[5], words[6].partition("/")[0]))
    return found


def ours():
    names = {"FIN_WAIT_1": "FIN_WAIT1", "FIN_WAIT_2": "FIN_WAIT2", "SYN_RECEIVED": "SYN_RECV"}
    found = set()
    for line in output(BOTHENDS, "sockets", "--json", "-tan").splitlines():
        row = json.loads(line)
        remote = row["remote"].replace(":0", ":*") if row["remote"].endswith(":0") else row["remote"]
        pid = str(row["processes"][0]["pid"]) if row["processes"] else "-"
        found.add((row["local"], remote, names.get(row["state"], row["state"]), pid))
    return found


def situations():
    """The five of a server and its client, as netstat shows them."""

    def look(what, states):
        until(what, lambda: sorted(state for _, _, state, _ in netstat()) == sorted(states))
        if ours() != netstat():
            fail(f"{what}: {sorted(ours())}, not {sorted(netstat())}")
        paired = output(BOTHENDS, "sockets", "-anp", "-t", "--pairs", "--explain")
        for state in states:
            short = {"ESTABLISHED": "ESTAB", "FIN_WAIT2": "FIN-WAIT-2"}.get(state, state.replace("_", "-"))
            if short not in paired:
                fail(f"{what}: {short} is not in\n{paired}")

    def serving():
        made = socket.socket()
        if again:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(("127.0.0.1", 9999))
        made.listen(5)
        return made

    again = True
    listener = serving()
    client = socket.create_connection(("127.0.0.1", 9999))
    accepted, _ = listener.accept()
    look("running", ["LISTEN", "ESTABLISHED", "ESTABLISHED"])
    accepted.close()
    listener.close()
    look("the server is killed", ["FIN_WAIT2", "CLOSE_WAIT"])
    client.close()
    look("the client is killed too", ["TIME_WAIT"])
    again = False
    try:
        serving()
        fail("the address was to be in use")
    except OSError:
        pass
    look("restart is refused", ["TIME_WAIT"])
    again = True
    listener = serving()
    look("restart with re-use", ["LISTEN", "TIME_WAIT"])


def kill():
    listener = server()
    client, accepted = pair(listener)
    other, _ = pair(listener)
    port = client.getsockname()[1]
    told = output(BOTHENDS, "sockets", "-HtnK", "sport", "=", f":{port}")
    if f"127.0.0.1:{port}" not in told or len(told.splitlines()) != 1:
        fail(f"killed: {told!r}")
    try:
        client.recv(1)
        fail("the socket lives")
    except ConnectionAbortedError:
        pass
    other.send(b"still there")


def events():
    watching = subprocess.Popen([BOTHENDS, "sockets", "-tE", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if "until ^C" not in watching.stderr.readline():
        fail("it does not begin")
    listener = server()
    port = listener.getsockname()[1]
    seen = []

    def told(event):
        while True:
            record = json.loads(watching.stdout.readline())
            if record["local"] == f"127.0.0.1:{port}":
                seen.append(record)
                return record["event"] == event

    if not told("opened"):
        fail(f"opened: {seen}")
    listener.close()
    kept.clear()
    if not told("closed"):
        fail(f"closed: {seen}")
    # What it was, and whose, is known from before.
    if seen[-1].get("state_before") != "LISTEN" or [owner["pid"] for owner in seen[-1]["processes"]] != [os.getpid()]:
        fail(f"closed: {seen[-1]}")
    watching.send_signal(signal.SIGINT)
    if watching.wait(20) != 0:
        fail(f"exit {watching.returncode}")
    changes()


def changes():
    watching = subprocess.Popen([BOTHENDS, "sockets", "-tanH", "--diff", "--watch=50ms"], stdout=subprocess.PIPE, text=True)
    listener = server()
    port = listener.getsockname()[1]
    line = lambda: watching.stdout.readline().split()
    while (words := line())[-2:] and f"127.0.0.1:{port}" not in words:
        pass
    client = socket.create_connection(listener.getsockname())
    while (words := line())[0] != "~":
        pass
    if words[2:5] != ["LISTEN", "1", "16"]:
        fail(f"changed: {words}")
    watching.send_signal(signal.SIGTERM)
    if watching.wait(20) != 0:
        fail(f"exit {watching.returncode}")


def many():
    """Two hundred thousand sockets, made up: every one is listed, and ten times as many take ten times as long, not a hundred times."""
    with tempfile.TemporaryDirectory() as folder:
        few, lots = f"{folder}/few", f"{folder}/lots"
        many_sockets.written(few, 20_000)
        many_sockets.written(lots, 200_000)
        theirs = subprocess.run(["ss", "-HtanO"], env={**os.environ, "TCPDIAG_FILE": few}, capture_output=True, text=True).stdout
        if [line.split() for line in output(BOTHENDS, "sockets", "-HtanO", "--from", few).splitlines()] != [line.split() for line in theirs.splitlines()]:
            fail("ss lists others")
        # Columns take their widths from the first of many rows: that a later one is wider breaks no row.
        listed = output(BOTHENDS, "sockets", "-Htan", "--from", lots).splitlines()
        names = {1: "ESTAB", 4: "FIN-WAIT-1", 5: "FIN-WAIT-2", 6: "TIME-WAIT", 8: "CLOSE-WAIT"}
        for number, line in enumerate(listed):
            state, local, remote, queues = many_sockets.socket_at(number)
            expected = [names[state], *map(str, queues), *(f"{'.'.join(map(str, host))}:{port}" for host, port in (local, remote))]
            if line.split() != expected:
                fail(f"socket {number}: {line}, not {expected}")
        if len(listed) != 200_000:
            fail(f"{len(listed)} sockets")
        seconds = [min(many_sockets.seconds_of([BOTHENDS, "sockets", "-tan", "dport = :443 and not src 10.0.1/24", "--from", path]) for _ in range(2)) for path in (few, lots)]
        if seconds[1] > 20 * seconds[0]:
            fail(f"ten times the sockets take {seconds[1] / seconds[0]:.1f} times as long")


def memory():
    """As much memory for two hundred thousand as for ten thousand; the shapes with more in a row are asked for fewer."""
    for flags, most in [(["-tan"], 200_000), (["-tanim"], 30_000), (["-tan", "--json"], 30_000)]:
        first, last = many_sockets.memories([BOTHENDS, "sockets", *flags], [10_000, most])
        if last > first + 2**20:
            fail(f"{flags}: {first} bytes at 10,000 sockets, {last} at {most}")


def random_answer(dice):
    """What a kernel might say of a socket of TCP, of any version: attributes longer and shorter than those of today's."""
    number = lambda most=2**32 - 1: dice.choice([0, 1, dice.randrange(most + 1), dice.randrange(min(most, 5000) + 1)])
    bytes_of = dice.randbytes
    family, state = dice.choice([2, 2, 10]), dice.choice([1, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])
    ip = lambda: bytes_of(4).ljust(16, b"\0") if family == 2 else dice.choice([bytes(16), bytes(10) + b"\xff\xff" + bytes_of(4), b"\x20\x01" + bytes_of(14), bytes(15) + b"\1"])
    body = many_sockets.NAMES.pack(family, state, dice.randrange(5), dice.randrange(256), bytes_of(2), bytes_of(2), ip(), ip(), 0, number(), number(),
                                   number(), number(2**31 - 1), number(2**31 - 1), number(), number())
    info = bytearray(bytes_of(280))
    if dice.random() < 0.7:
        # Figures as they occur, so that words do not depend on the largest only.
        for at in range(8, 280, 4):
            info[at:at + 4] = struct.pack("=I", number(100_000))
    # ss writes a few of them as signed numbers, which the kernel has none of there.
    for at in (16, 20, 84, 88, 96, 220):
        info[at:at + 4] = struct.pack("=I", number(2**31 - 1))
    # What ss of iproute2 6.1 does not know: the rest of it is the next test's.
    # A kernel gives whole fields: up to byte 104 of four bytes each, behind that in pairs or of eight.
    info = bytes(info[:dice.choice([280, 280, 104, 192, 228, dice.randrange(8, 105, 4), dice.randrange(104, 281, 8)])])
    if len(info) < 168:
        # Where there is no delivery rate, a kernel has padding in place of the bit that says what limits it.
        info = info[:7] + b"\0" + info[8:]
    words = lambda count: struct.pack(f"={count}I", *(number() for _ in range(count)))
    attributes = {7: words(dice.choice([9, 8])), 8: bytes([dice.randrange(4)]), 4: dice.choice([b"cubic\0", b"bbr\0", b"reno\0"]), 2: info, 5: bytes_of(1),
                  6: bytes_of(1), 15: words(1), 17: words(1)}
    if state in (7, 10) and family == 10:
        attributes[11] = bytes([dice.randrange(2)])
    model = dice.choice([None, (16, 5), (9, 4), (3, 4)])
    if model:
        attributes[model[0]] = words(model[1]) if model[0] != 9 else struct.pack("=2H3I", 1, dice.randrange(2), number(), number(), number())
    kept = [many_sockets.attribute(kind, value) for kind, value in attributes.items() if dice.random() < 0.8]
    dice.shuffle(kept)
    return many_sockets.message(many_sockets.BY_FAMILY, body + b"".join(kept))


def answers():
    """Any answers of any kernel read as ss reads them, figure for figure."""
    dice = random.Random(7)
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/answers"
        with open(path, "wb") as file:
            for _ in range(4000):
                file.write(random_answer(dice))
            file.write(many_sockets.message(many_sockets.DONE, bytes(4)))
        for flags in ["-HtanO", "-HtanoO", "-HtaneO", "-HtanimO", "-HtaiemO", "-HtanoeimO --tos", "-HtaO"]:
            theirs = subprocess.run(["ss", *flags.split()], env={**os.environ, "TCPDIAG_FILE": path}, capture_output=True, text=True).stdout.splitlines()
            ours = output(BOTHENDS, "sockets", *flags.split(), "--from", path).splitlines()
            if len(ours) != 4000 or len(theirs) != 4000:
                fail(f"{flags}: {len(ours)} and {len(theirs)} rows")
            for one, other in zip(ours, theirs):
                if as_both_say(one) != as_both_say(other):
                    fail(f"{flags}:\n{one}\n{other}")


def as_both_say(line):
    """Its words, without those that not every ss knows. ss says 3.600ms of 3.6 seconds, and takes a field for 0 that a kernel does
    not have; we do neither."""
    line = re.sub(r" (rcv_wnd|rehash):[^ ]*| usec_ts\b| reordering:0(?!\S)", "", line)
    return " ".join(re.sub(r"(timer:\(\w+,\d\.\d{3})ms", r"\1sec", line).split())


def called(name):
    """Gives this process a name, as prctl(2) does."""
    with open("/proc/self/comm", "wb") as file:
        file.write(name)


HOSTILE = b"\x1b[2J\"\n)\x07\xe2\x80\xae"


def hostile():
    """Names that strangers choose: of processes, files, abstract sockets and interfaces. None does more than stand in its row."""
    plain = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    # SIOCSIFNAME; no blank may be in it.
    interface = HOSTILE.replace(b"\n", b"")
    fcntl.ioctl(plain, 0x8923, struct.pack("16s16s", b"lo", interface))
    called(HOSTILE)
    keep(plain).setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface)
    plain.bind(("127.0.0.1", 0))
    pair(server())
    folder = keep(tempfile.TemporaryDirectory()).name.encode()
    for name in (folder + b"/" + HOSTILE, b"\0" + HOSTILE + b"\0\xff"):
        listener = keep(socket.socket(socket.AF_UNIX))
        listener.bind(name)
        listener.listen(1)
        keep(socket.socket(socket.AF_UNIX)).connect(name)
        keep(listener.accept()[0])
    child = os.fork()
    if child == 0:
        called(b"users:((\"root\"")
        signal.pause()
    kept.append(child)
    count = len(output(BOTHENDS, "sockets", "-a", "--json").splitlines())
    if count < 10:
        fail(f"only {count} sockets")
    listings = {"-HanpO": count, "-HanpeimO --tos --cgroup --inet-sockopt": count, "-HanO --columns process,interface,local,peer": count, "-ap --pairs": None, "-a --tree": None,
                "-anp --explain": None, "-a --json --explain": count, "-s": None, "-Han --sort process --diff --count 1": count}
    for flags, expected in listings.items():
        shown = is_safe(flags, BOTHENDS, "sockets", *flags.split())
        if expected and len(shown.splitlines()) != expected:
            fail(f"{flags}: {len(shown.splitlines())} lines, not {expected}\n{shown}")
    is_safe("addr mine", BOTHENDS, "addr", "mine")
    # A name that looks like a list of owners is none: its quotation marks are escaped.
    if '("users:((\\"root\\"",pid=' + str(child) not in output(BOTHENDS, "sockets", "-anp"):
        fail(f"the child is not named in {output(BOTHENDS, 'sockets', '-anp')}")
    vanishing()


def is_safe(what, *words):
    ran = subprocess.run(words, capture_output=True, stdin=subprocess.DEVNULL, timeout=30)
    text = (ran.stdout + ran.stderr).decode()
    # Records are for machines: escaped as JSON has it, and no more.
    bad = sorted({char for char in text if char not in "\n\t" and (char < " " if "--json" in words else not char.isprintable())})
    if bad or ran.returncode != 0 or "panicked" in text:
        fail(f"{what}: {bad}, exit {ran.returncode}\n{text}")
    return text


def vanishing():
    """Processes come and go with their sockets while all are looked through: what is left is listed, and nothing is said."""
    coming = os.fork()
    if coming == 0:
        os.setsid()
        while True:
            one = os.fork()
            if one == 0:
                made = socket.create_server(("127.0.0.1", 0))
                os._exit(made.fileno() and 0)
            os.waitpid(one, 0)
    kept.append(coming)
    for _ in range(40):
        for flags in (["-tanp"], ["--tree", "-ta"], ["--json", "-ta"]):
            ran = subprocess.run([BOTHENDS, "sockets", *flags], capture_output=True, text=True, timeout=30)
            if ran.returncode != 0 or "without a process" in ran.stderr or "pid=0" in ran.stdout:
                fail(f"{flags}: exit {ran.returncode}, {ran.stderr}")


try:
    if WHAT in ("rows", "filters", "lsof"):
        every_kind()
    {"rows": compare_rows, "filters": compare_filters, "situations": situations, "kill": kill, "events": events, "many": many, "memory": memory, "answers": answers, "language": language, "lsof": compare_lsof, "hostile": hostile}[WHAT]()
    print("ok")
finally:
    for made in kept:
        if isinstance(made, int):
            os.kill(made, signal.SIGKILL)
        elif isinstance(made, tempfile.TemporaryDirectory):
            made.cleanup()
