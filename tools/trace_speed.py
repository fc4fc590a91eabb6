#!/usr/bin/env python3
"""How fast a capture is read, by us and by others, in CPU seconds and memory.

  trace_speed.py BINARY CAPTURE [--rounds 5] [--few 300000] [--only NAME,…] [--json]

BINARY is bothends, CAPTURE a classic pcap file, for instance one that the example capture_of_many wrote. In each round
all commands run once, one after the other, so that a busy machine is the same for all; medians are shown. CPU seconds are
the user and system time of the command, from wait4(2), as is its largest memory. tshark with the fifteen flags of
tcp.analysis is so slow that it gets only the first FEW packets. Programs that are not installed are named and left out.
"""
import argparse, json, os, shutil, statistics, struct, sys, tempfile, time

FLAGS = """retransmission fast_retransmission spurious_retransmission out_of_order duplicate_ack lost_segment
           ack_lost_segment zero_window zero_window_probe zero_window_probe_ack window_update window_full keep_alive
           keep_alive_ack reused_ports""".split()


def commands(binary, capture, few):
    """Name, words, and whether it reads only the few."""
    fields = [word for flag in FLAGS for word in ("-e", f"tcp.analysis.{flag}")]
    yield "bothends --list", [binary, "trace", "-r", capture, "--list"], False
    yield "bothends --json", [binary, "trace", "-r", capture, "--json"], False
    yield "tshark, 15 flags", ["tshark", "-n", "-r", few, "-Y", "tcp", "-T", "fields", "-e", "frame.number",
                               "-e", "tcp.stream", *fields], True
    yield "tcpdump -n", ["tcpdump", "-n", "-r", capture], False
    yield "tcptrace -n", ["tcptrace", "-n", capture], False
    yield "capinfos", ["capinfos", capture], False


def records(capture):
    """The file header and each record of a classic pcap file."""
    with open(capture, "rb") as file:
        header = file.read(24)
        order = {b"\xd4\xc3\xb2\xa1": "<", b"\x4d\x3c\xb2\xa1": "<", b"\xa1\xb2\xc3\xd4": ">", b"\xa1\xb2\x3c\x4d": ">"}
        if header[:4] not in order:
            sys.exit(f"{capture}: not a classic pcap file")
        yield header
        length = struct.Struct(order[header[:4]] + "8xI4x")
        while len(record := file.read(16)) == 16:
            yield record + file.read(*length.unpack(record))


def cut(capture, count, path):
    """Copies the first packets; says how many there were, and how many in all."""
    total = -1
    with open(path, "wb") as file:
        for total, record in enumerate(records(capture)):
            if total <= count:
                file.write(record)
    return min(total, count), total


def run(words):
    """Seconds of CPU, of the clock, MiB at most; its output goes nowhere."""
    began = time.monotonic()
    pid = os.posix_spawnp(words[0], words, os.environ, file_actions=[
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
        (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0)])
    _, status, usage = os.wait4(pid, 0)
    if (code := os.waitstatus_to_exitcode(status)) != 0:
        sys.exit(f"{' '.join(words[:6])} … ended with {code}")
    return usage.ru_utime + usage.ru_stime, time.monotonic() - began, usage.ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("capture")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--few", type=int, default=300_000)
    parser.add_argument("--only", help="names as in the table, or their beginnings, separated by commas")
    parser.add_argument("--json", action="store_true", help="one JSON line a command instead of the table")
    flags = parser.parse_args()
    with tempfile.NamedTemporaryFile(suffix=".pcap") as few:
        few_packets, all_packets = cut(flags.capture, flags.few, few.name)
        measured = measure(flags, few.name)
        tell(measured, few_packets, all_packets, flags.json)


def measure(flags, few):
    """For each command its name, whether it read only the few, and a measurement for each round."""
    wanted = tuple(flags.only.split(",")) if flags.only else ("",)
    chosen = []
    for name, words, reads_few in commands(os.path.abspath(flags.binary), flags.capture, few):
        if not name.startswith(wanted):
            continue
        if shutil.which(words[0]):
            chosen.append((name, words, reads_few, []))
        else:
            print(f"{words[0]} is not installed: left out", file=sys.stderr)
    for _ in range(flags.rounds):
        for _, words, _, results in chosen:
            results.append(run(words))
    return [(name, reads_few, results) for name, _, reads_few, results in chosen]


def tell(measured, few_packets, all_packets, as_json):
    rates = {}
    if not as_json:
        print(f"{'command':<18}{'packets':>10}{'CPU s':>9}{'spread':>8}{'wall s':>9}{'packets/CPU s':>15}{'MiB':>7}")
    for name, reads_few, results in measured:
        packets = few_packets if reads_few else all_packets
        cpu, wall, _ = (statistics.median(column) for column in zip(*results))
        spread = (max(result[0] for result in results) - min(result[0] for result in results)) / cpu
        memory = max(result[2] for result in results)
        rates[name] = packets / cpu
        if as_json:
            print(json.dumps({"command": name, "packets": packets, "rounds": len(results), "cpu_s": round(cpu, 3),
                              "cpu_spread": round(spread, 3), "wall_s": round(wall, 3),
                              "packets_per_cpu_s": round(rates[name]), "max_rss_mib": round(memory, 1)}))
        else:
            print(f"{name:<18}{packets:>10}{cpu:>9.2f}{spread:>8.0%}{wall:>9.2f}{rates[name]:>15,.0f}{memory:>7.0f}")
    if as_json or "bothends --list" not in rates:
        return
    ours = rates["bothends --list"]
    for name, rate in rates.items():
        if not name.startswith("bothends"):
            print(f"bothends --list is {ours / rate:.2f} × {name}")


if __name__ == "__main__":
    main()
