#!/usr/bin/env python3
"""How far `bothends trace` agrees with tshark 4.0: analysis flags, stream numbers and completeness, frame by frame.

    tools/agreement.py BINARY PATH...        captures, and folders that are searched for them
        [--cache FOLDER]                     keeps tshark's answers, which take most of the time
        [--worst N]                          shows the N captures that differ most (20)
        [--completeness]                     compares tcp.completeness too (a second pass of tshark)

The fields are compared of every frame that tshark calls TCP; what an ICMP error quotes is no segment and is left out. The
figures are pooled over all captures, and the mean over captures (macro) stands beside them, because a few captures hold
most of the marks. "same conversation" asks whether two frames share a number here where they share one there: some of
tshark's dissectors (SOCKS, VNC) take numbers of their own, and all that follow are shifted.
"""

import argparse
import collections
import hashlib
import json
import os
import subprocess
import sys

FLAGS = [
    "retransmission", "fast_retransmission", "spurious_retransmission", "out_of_order", "duplicate_ack",
    "lost_segment", "ack_lost_segment", "zero_window", "zero_window_probe", "zero_window_probe_ack",
    "window_update", "window_full", "keep_alive", "keep_alive_ack", "reused_ports",
]
PATIENCE_S = 300


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary")
    parser.add_argument("paths", nargs="+")
    parser.add_argument("--cache")
    parser.add_argument("--worst", type=int, default=20)
    parser.add_argument("--completeness", action="store_true")
    arguments = parser.parse_args()
    version = subprocess.run(["tshark", "--version"], capture_output=True, text=True).stdout.split()[2:3]
    if not version or not version[0].startswith("4.0."):
        sys.exit(f"left out: the rules are those of tshark 4.0, and this is {' '.join(version) or 'none'}")
    report = Report()
    for path in captures(arguments.paths):
        theirs = cached(arguments.cache, path, "flags", lambda: tshark_flags(path))
        if not theirs:
            continue
        ours, flows, damage = bothends(arguments.binary, path)
        report.add(path, ours, theirs, damage)
        if arguments.completeness:
            complete = cached(arguments.cache, path, "completeness", lambda: tshark_completeness(path))
            report.add_completeness(flows, complete, ours, theirs)
    report.tell(arguments.worst)


def captures(paths):
    for path in paths:
        if os.path.isfile(path):
            yield path
        for folder, _, names in sorted(os.walk(path)):
            for name in sorted(names):
                yield os.path.join(folder, name)


def cached(folder, path, what, make):
    if not folder:
        return make()
    key = hashlib.sha256(f"{os.path.abspath(path)} {os.path.getsize(path)}".encode()).hexdigest()[:32]
    file = os.path.join(folder, f"{key}.{what}.json")
    if not os.path.exists(file):
        os.makedirs(folder, exist_ok=True)
        value = make()
        with open(file, "w", encoding="utf-8") as out:
            json.dump(value, out)
    with open(file, encoding="utf-8") as kept:
        return json.load(kept)


def tshark(arguments):
    done = subprocess.run(["tshark", "-n", *arguments], capture_output=True, text=True, errors="replace",
                          timeout=PATIENCE_S)
    return [line.split("\t") for line in done.stdout.splitlines()]


def tshark_flags(path):
    fields = ["frame.number", "tcp.stream", "frame.protocols"] + [f"tcp.analysis.{flag}" for flag in FLAGS]
    wanted = [word for field in fields for word in ("-e", field)]
    rows = tshark(["-r", path, "-Y", "tcp", "-T", "fields", "-E", "occurrence=l", *wanted])
    table = []
    for number, stream, protocols, *marks in rows:
        layers = protocols.split(":")
        quoted = any(layer in ("icmp", "icmpv6") for layer in layers[: layers.index("tcp") if "tcp" in layers else None])
        if stream != "" and not quoted:
            table.append([int(number), int(stream), [flag for flag, mark in zip(FLAGS, marks) if mark]])
    return table


def tshark_completeness(path):
    """Of each stream, what two passes say: the whole."""
    rows = tshark(["-2", "-r", path, "-Y", "tcp", "-T", "fields", "-E", "occurrence=l", "-e", "tcp.stream",
                   "-e", "tcp.completeness"])
    return {stream: int(value) for stream, value in rows if stream and value.isdigit()}


def bothends(binary, path):
    done = subprocess.run([binary, "trace", "-r", path, "--json"], capture_output=True, text=True, timeout=PATIENCE_S)
    segments, flows = {}, {}
    for line in done.stdout.splitlines():
        record = json.loads(line)
        if record["type"] == "segment":
            segments[record["frame"]] = (record["stream"], record["flags"])
        elif record["type"] == "flow" and record["transport"] == "tcp":
            flows[str(record["stream"])] = record["completeness"]
    damage = None if done.returncode in (0, 26) else f"exit {done.returncode}"
    return segments, flows, damage


class Report:
    def __init__(self):
        self.marks = collections.defaultdict(lambda: [0, 0, 0])
        self.frames = self.exact = self.number = self.conversation = 0
        self.macro, self.differing, self.trouble = [], [], []
        self.complete = [0, 0]

    def add(self, path, ours, theirs, damage):
        exact = number = conversation = 0
        there, here = {}, {}
        for frame, stream, flags in theirs:
            mine, said = ours.get(frame, (None, []))
            exact += set(said) == set(flags)
            number += mine == stream
            conversation += there.setdefault(stream, mine) == mine and here.setdefault(mine, stream) == stream
            for flag in set(said) | set(flags):
                self.marks[flag][0 if flag in said and flag in flags else 1 if flag in said else 2] += 1
        frames = len(theirs)
        extra = len(set(ours) - {frame for frame, _, _ in theirs})
        self.frames, self.exact = self.frames + frames, self.exact + exact
        self.number, self.conversation = self.number + number, self.conversation + conversation
        self.macro.append(exact / frames)
        if exact != frames or number != frames or extra:
            self.differing.append((frames - exact, frames - conversation, frames - number, extra, frames, path))
        if damage:
            self.trouble.append(f"{path}: {damage}")

    def add_completeness(self, flows, complete, ours, theirs):
        """Held against each other by the streams that have the same frames. Of a stream of one frame that is no SYN tshark
        says 0 whatever it is: those are left out."""
        lengths = collections.Counter(stream for _, stream, _ in theirs)
        pairs = {(str(stream), str(ours[frame][0])) for frame, stream, _ in theirs if frame in ours}
        for there, here in pairs:
            lone = lengths[int(there)] == 1 and complete.get(there) == 0
            if there in complete and here in flows and not lone:
                self.complete[0] += complete[there] == flows[here]
                self.complete[1] += 1

    def tell(self, worst):
        if not self.frames:
            sys.exit("no frame of TCP in any of them")
        share = lambda part, whole: f"{100 * part / max(1, whole):.4f} %"
        print(f"{len(self.macro)} captures with TCP, {self.frames} frames")
        print(f"the same set of flags      {share(self.exact, self.frames)}   (mean over captures "
              f"{share(sum(self.macro), len(self.macro))})")
        print(f"the same stream number     {share(self.number, self.frames)}")
        print(f"the same conversation      {share(self.conversation, self.frames)}")
        if self.complete[1]:
            print(f"the same completeness      {share(*self.complete)} of {self.complete[1]} streams")
        print(f"\n{'flag':26}{'both':>8}{'only here':>11}{'only there':>12}{'precision':>12}{'recall':>10}")
        for flag in FLAGS:
            both, here, there = self.marks[flag]
            print(f"{flag:26}{both:8}{here:11}{there:12}{share(both, both + here):>12}{share(both, both + there):>10}")
        if self.differing:
            print("\nflags  conversation  number  only here  frames  capture")
            for row in sorted(self.differing, reverse=True)[:worst]:
                print("{:5}  {:12}  {:6}  {:9}  {:6}  {}".format(*row))
        for line in self.trouble:
            print(line)


if __name__ == "__main__":
    main()
