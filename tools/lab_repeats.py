#!/usr/bin/env python3
"""Whether one seed of `bothends lab` loses the same at every run, and as much as was asked for.

usage: tools/lab_repeats.py BOTHENDS tcp [--runs N] [--size BYTES] [--loss RULE] [--seed N]
       tools/lab_repeats.py BOTHENDS datagrams [--runs N] [--count N] [--loss RULE] [--seed N]
       tools/lab_repeats.py BOTHENDS share [--count N]

tcp        one bulk transfer a run, over IPv4 and IPv6, with offload and without, under each congestion control that
           the kernel has; what is compared are the bytes whose first transmission was lost
datagrams  numbered datagrams; what is compared are the numbers that arrived
share      1 % and 5 % of so many datagrams, by chance (within three sigma) and exactly

Exit 0 where all is as it should be, else 1; 77 where the system refuses a private network."""

import argparse
import fcntl
import itertools
import json
import math
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading

PORT = 5001
TCP_CONGESTION = 13
SIOCETHTOOL = 0x8946
# linux/ethtool.h: set transmit checksums, TCP segmentation, generic segmentation.
OFFLOADS = {"checksums": 0x17, "tso": 0x1F, "gso": 0x24}
AVAILABLE = "/proc/sys/net/ipv4/tcp_available_congestion_control"
REFUSED = 77

# The programs on the hosts: this file with one of these words.
ROLES = {}


def role(function):
    ROLES[function.__name__] = function
    return function


def listener(kind):
    """Both families, on the port."""
    its = socket.socket(socket.AF_INET6, kind)
    its.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    its.bind(("::", PORT))
    return its


@role
def take_stream():
    its = listener(socket.SOCK_STREAM)
    its.listen()
    connection, _ = its.accept()
    while connection.recv(1 << 20):
        pass


@role
def send_stream(helper, size):
    """A transfer over a socket that somebody outside has prepared: what a program inside has no privilege for."""
    family, kind, _, _, address = socket.getaddrinfo("server", PORT, type=socket.SOCK_STREAM)[0]
    its = socket.socket(family, kind)
    with socket.socket(socket.AF_UNIX) as outside:
        outside.connect(helper)
        socket.send_fds(outside, [b"!"], [its.fileno()])
        outside.recv(1)
    its.connect(address)
    left = int(size)
    while left:
        left -= its.send(bytes(min(left, 1 << 16)))
    its.shutdown(socket.SHUT_WR)
    its.recv(1)


# How many datagrams may be under way: fewer than a socket's buffer holds. How many come between two reports.
WINDOW, EVERY = 128, 16


@role
def take_datagrams(count):
    """Notes the numbers that arrive; tells the sender now and then how far it is, by a way that loses nothing."""
    count = int(count)
    its = listener(socket.SOCK_DGRAM)
    seen = bytearray(count)
    came = 0
    while True:
        datagram, sender = its.recvfrom(64)
        number = int(datagram)
        if number < count:
            seen[number] = 1
            came += 1
        if came % EVERY == 0 or number >= count:
            its.sendto(b"%d" % number, sender)
        if number >= count:
            break
    lost = [number for number in range(count) if not seen[number]]
    print(json.dumps(lost), flush=True)


@role
def send_datagrams(count):
    count = int(count)
    family, kind, _, _, address = socket.getaddrinfo("server", PORT, type=socket.SOCK_DGRAM)[0]
    its = socket.socket(family, kind)
    its.connect(address)
    reported = -1
    for number in range(count):
        while number - reported > WINDOW:
            reported = max(reported, int(its.recv(64)))
        its.send(b"%d" % number)
    # The last word, until it is answered: it may be lost as well.
    its.settimeout(0.05)
    while reported < count:
        try:
            its.send(b"%d" % count)
            reported = max(reported, int(its.recv(64)))
        except TimeoutError:
            pass
        except ConnectionRefusedError:
            # It has heard it, answered, and ended.
            break


def lab(bothends, flags, server, client):
    """Runs one lab; its records."""
    mine = [sys.executable, os.path.abspath(__file__)]
    command = [bothends, "lab", "--json", *flags, "--", *mine, *server, "--", *mine, *client]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=600)
    if ran.returncode == REFUSED:
        print("the system refuses a private network")
        sys.exit(REFUSED)
    if ran.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit {ran.returncode}\n{ran.stderr}")
    return [json.loads(line) for line in ran.stdout.splitlines()]


def link_of(records):
    link = next(record for record in records if record["type"] == "link")
    unplanned = link["up"]["unplanned_drops"] + link["down"]["unplanned_drops"]
    if unplanned:
        sys.exit(f"{unplanned} packets were dropped though no rule asked for it")
    return link


class Helper:
    """Prepares the client's socket from outside: its user owns the lab's user namespace, and so may."""

    def __init__(self, folder, congestion, offload):
        self.path = os.path.join(folder, "helper")
        self.congestion, self.offload = congestion, offload
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        os.chmod(self.path, 0o777)
        self.listener.listen()
        self.wrong = None
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        connection, _ = self.listener.accept()
        _, descriptors, _, _ = socket.recv_fds(connection, 1, 1)
        try:
            with socket.socket(fileno=descriptors[0]) as its:
                its.setsockopt(socket.IPPROTO_TCP, TCP_CONGESTION, self.congestion.encode())
                if not self.offload:
                    for command in OFFLOADS.values():
                        self.switch_off(its, command)
        except OSError as error:
            self.wrong = error
        connection.send(b"!")
        connection.close()

    @staticmethod
    def switch_off(its, command):
        import ctypes

        value = ctypes.create_string_buffer(struct.pack("II", command, 0))
        request = struct.pack("16sP", b"eth0", ctypes.addressof(value))
        fcntl.ioctl(its, SIOCETHTOOL, request)

    def end(self):
        self.listener.close()
        if self.wrong:
            sys.exit(f"the client's socket could not be prepared: {self.wrong}")


def lost_at_first(segments):
    """The client's segments that were lost when their bytes were first sent, as ranges of them; and the most segments
    that went as one packet."""
    carrying = [segment for segment in segments if segment["from"] == "a" and segment["len_bytes"]]
    full = max(math.ceil(segment["len_bytes"] / segment.get("segments", 1)) for segment in carrying)
    following, lost = 1, []
    for segment in carrying:
        start, end = segment["seq"], segment["seq"] + segment["len_bytes"]
        if segment["fate"] == "lost" and end > following:
            fresh = max(start, following)
            lost += [(at, min(at + full, end)) for at in range(fresh, end, full)]
        following = max(following, end)
    return lost, max(segment.get("segments", 1) for segment in carrying)


def are_same(runs):
    """Whether all have lost the same: segments need not begin at the same bytes in each, for a short one among them moves
    all behind it, but the byte that decides about a loss is in the segment that each run has lost."""
    return len({len(run) for run in runs}) == 1 and all(
        max(start for start, _ in losses) < min(end for _, end in losses) for losses in zip(*runs)
    )


def first_difference(runs):
    """The first losses that have no byte in common, of each run."""
    for losses in itertools.zip_longest(*runs, fillvalue=(0, 0)):
        if max(start for start, _ in losses) >= min(end for _, end in losses):
            return losses
    return ()


def one_stream(options, number, family, offload, congestion):
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        helper = Helper(folder, congestion, offload)
        capture = os.path.join(folder, "capture")
        flags = [family, "--loss", options.loss, "--seed", str(options.seed), "--write", capture]
        client = ["send_stream", helper.path, str(options.size)]
        link_of(lab(options.bothends, flags, ["take_stream"], client))
        helper.end()
        trace = subprocess.run([options.bothends, "trace", "-r", capture, "--json"], capture_output=True, text=True)
        records = [json.loads(line) for line in trace.stdout.splitlines()]
    lost, largest = lost_at_first([record for record in records if record["type"] == "segment"])
    if (largest > 1) != offload:
        sys.exit(f"offload {offload}, and yet a packet stood for {largest} segments")
    print(f"{number:3} {family} {congestion:6} offload {'on ' if offload else 'off'} lost at first: {len(lost)}", flush=True)
    return lost


def tcp(options):
    with open(AVAILABLE) as file:
        controls = file.read().split()
    ways = list(itertools.product([True, False], controls))
    identical = True
    for family in "-4", "-6":
        runs = [one_stream(options, number, family, *ways[number % len(ways)]) for number in range(options.runs)]
        if are_same(runs):
            same = len(runs)
        else:
            same = sum(are_same([run, runs[0]]) for run in runs)
            print("not the same:", *first_difference(runs), sep="\n  ")
        used = ", ".join(sorted({ways[number % len(ways)][1] for number in range(options.runs)}))
        print(f"{family}: first-transmission losses identical in {same} of {len(runs)} runs, {len(runs[0])} of them, under {used}")
        identical &= same == len(runs) and bool(runs[0])
    return identical


def one_count(options, loss, count, seed):
    flags = ["--up-loss", loss, "--seed", str(seed)]
    words = str(count)
    records = lab(options.bothends, flags, ["take_datagrams", words], ["send_datagrams", words])
    link_of(records)
    text = "".join(record["text"] for record in records if record["type"] == "output" and record["role"] == "server")
    return json.loads(text)


def datagrams(options):
    first = one_count(options, options.loss, options.count, options.seed)
    same = 0
    for number in range(options.runs):
        same += one_count(options, options.loss, options.count, options.seed) == first
    print(f"{options.loss} of {options.count} datagrams, {len(first)} lost: identical in {same} of {options.runs} runs")
    return same == options.runs and bool(first)


def share(options):
    good = True
    for percent, seed in itertools.product((1, 5), (1, 2, 3)):
        expected = options.count * percent / 100
        sigma = math.sqrt(expected * (1 - percent / 100))
        by_chance = len(one_count(options, f"{percent}%", options.count, seed))
        off = (by_chance - expected) / sigma
        exactly = len(one_count(options, f"exact:{percent}%", options.count, seed))
        print(f"{percent} % of {options.count}, seed {seed}: {by_chance} ({off:+.2f} sigma), exact {exactly}", flush=True)
        good &= abs(off) <= 3 and exactly == expected
    return good


def main():
    if len(sys.argv) > 1 and sys.argv[1] in ROLES:
        return ROLES[sys.argv[1]](*sys.argv[2:])
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("bothends", type=os.path.abspath)
    parser.add_argument("what", choices=["tcp", "datagrams", "share"])
    parser.add_argument("--runs", type=int)
    parser.add_argument("--size", type=int, default=40_000_000)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--loss", default="1%")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    options.runs = options.runs or {"tcp": 20, "datagrams": 100, "share": 1}[options.what]
    good = {"tcp": tcp, "datagrams": datagrams, "share": share}[options.what](options)
    sys.exit(0 if good else 1)


main()
