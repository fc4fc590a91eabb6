#!/usr/bin/env python3
"""Minutes of coming and going: a server's memory and descriptors have to stay flat.

  soak.py BINARY [--minutes 10]

Servers of every engine run side by side in a network namespace of their own; clients
come, talk, and go in order, by reset, or in the middle of a line. Each second the memory (RSS, of a server and its
children) and the descriptors are noted. At the end each server is stopped and one JSON line tells: clients served, memory
and descriptors after the warm-up and at the end. Exit code 1 when one has grown by more than a tenth and 1 MiB, or holds
more descriptors when nobody is connected than it did before the first client.
"""
import argparse, json, os, random, signal, socket, statistics, struct, subprocess, sys, tempfile, threading, time

SERVERS = {
    "event": ["echo"], "thread": ["echo", "--engine", "thread"], "process": ["echo", "--engine", "process"],
    "two workers": ["echo", "--workers", "2"], "reply by threads": ["reply", "yes", "--engine", "thread"],
    "collect": ["collect", "--record", "FILE"], "collect by processes": ["collect", "--record", "FILE", "--engine", "process"],
    "chat": ["chat"], "chat by threads": ["chat", "--engine", "thread"], "datagrams": ["echo"],
}


def enter_namespace():
    if not os.environ.get("SOAK_INSIDE"):
        os.environ["SOAK_INSIDE"] = "1"
        os.execvp("unshare", ["unshare", "-rn", "sh", "-c", 'ip link set lo up; exec "$0" "$@"', sys.executable, *sys.argv])



def memory_kb(pid):
    """The server's own: its children come and go."""
    return next(int(line.split()[1]) for line in open(f"/proc/{pid}/status") if line.startswith("VmRSS:"))


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def visit(port):
    client = socket.socket()
    client.settimeout(10)
    client.connect(("127.0.0.1", port))
    client.sendall(b"hello\n" * random.randrange(1, 200))
    client.settimeout(0.05)
    try:
        client.recv(100)
    except TimeoutError:
        pass  # collect says nothing
    client.settimeout(10)
    way = random.randrange(3)
    if way == 0:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    elif way == 1:
        client.sendall(b"cut in the midd")
        client.shutdown(socket.SHUT_WR)
        while client.recv(65536):
            pass
    client.close()


def send_datagrams(port):
    client = socket.socket(type=socket.SOCK_DGRAM)
    client.settimeout(10)
    for _ in range(random.randrange(1, 20)):
        client.sendto(b"hello", ("127.0.0.1", port))
    client.recv(100)
    client.close()


def churn(visit, port, stop, done):
    while not stop.is_set():
        try:
            visit(port)
        except OSError:
            pass
        done[0] += 1


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("binary")
    p.add_argument("--minutes", type=float, default=10)
    a = p.parse_args()
    enter_namespace()
    folder = tempfile.mkdtemp()
    running, stop = {}, threading.Event()
    for name, words in SERVERS.items():
        file = os.path.join(folder, name.replace(" ", "-"))
        place = "udp://127.0.0.1:0" if name == "datagrams" else "127.0.0.1:0"
        words = [file + ".ndjson" if word == "FILE" else word for word in words]
        server = subprocess.Popen([a.binary, "serve", *words, place, "--port-file", file, "-q"], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.DEVNULL)
        while not os.path.exists(file):
            time.sleep(0.01)
        port, done = int(open(file).read()), [0]
        idle = descriptors(server.pid)
        how = send_datagrams if name == "datagrams" else visit
        threading.Thread(target=churn, args=(how, port, stop, done)).start()
        running[name] = (server, idle, done, [])
    end = time.time() + 60 * a.minutes
    while time.time() < end:
        time.sleep(1)
        for server, _, _, seen in running.values():
            seen.append(memory_kb(server.pid))
    stop.set()
    time.sleep(3)
    failed = False
    for name, (server, idle, done, seen) in running.items():
        left = descriptors(server.pid)
        quarter = max(1, len(seen) // 4)
        early, late = (round(statistics.median(part)) for part in (seen[quarter:2 * quarter], seen[-quarter:]))
        server.send_signal(signal.SIGTERM)
        code = server.wait(timeout=20)
        grew = late > early * 1.1 + 1024 or left > idle or code != 0
        failed |= grew
        print(json.dumps({"server": name, "clients": done[0], "rss_kb_early": early, "rss_kb_late": late, "descriptors_idle": idle,
                          "descriptors_after": left, "exit": code, "flat": not grew}), flush=True)
    sys.exit(failed)


main()
