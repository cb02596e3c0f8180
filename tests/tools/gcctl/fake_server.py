#!/usr/bin/env python3
"""A process with a control socket that is none: answers of core/runtime/CONTROL.md from figures made here.

    fake_server.py SOCKET [--die-after N] [--hostile]

For tests of gcctl's pictures, whose input must be known: three heaps whose counters rise by known amounts between two requests of `stat`, 40 collections in
the log, slabs of every fullness. --die-after N: ends after N requests of `stat`. --hostile: heaps and caches have markup, quotes and control characters in their names.
"""
import json
import os
import socket
import sys
import threading
import time

HOSTILE = "--hostile" in sys.argv
DIE_AFTER = int(sys.argv[sys.argv.index("--die-after") + 1]) if "--die-after" in sys.argv else 0
WORDS = "<b>\"w&o'r\\ds\n</script><script>alert(1)</script>" if HOSTILE else "words"
WORD = "word<img src=x onerror=alert(2)>" if HOSTILE else "word"
start = time.monotonic_ns()
stats = 0
lock = threading.Lock()


def histogram(pairs):
    n = sum(count for _, count in pairs)
    most = max((upper for upper, count in pairs if count), default=0)

    def quantile(q):
        seen = 0
        for upper, count in pairs:
            seen += count
            if seen >= q * n:
                return upper
        return 0

    return {"n": n, "sum_ns": sum(upper * count for upper, count in pairs), "max_ns": most, "p50_ns": quantile(0.5),
            "p90_ns": quantile(0.9), "p99_ns": quantile(0.99), "p999_ns": quantile(0.999),
            "buckets": [[upper, count] for upper, count in pairs if count]}


def heap(name, strategy, k, scale):
    """The k-th sample: 1,000 * scale objects more each time, of which all but 100 * scale are reclaimed."""
    live = 5000 + (k * 100) % 3000 * scale
    return {"name": name, "strategy": strategy, "strategy_version": "1", "capabilities": ["references", "cycles"],
            "needs": ["references"], "memory_limit_bytes": 8 << 20 if name == WORDS else None, "hard_limit_bytes": None,
            "live_objects": live, "live_bytes": live * 320, "held_bytes": live * 400 + (1 << 20), "peak_bytes": 9 << 20,
            "external_bytes": 0, "allocated": 1000 * scale * k + 5000, "reclaimed": 900 * scale * k, "minor": 3 * k,
            "full": k, "emergency": 0, "visited": 1000 * k, "last_visited": 1000, "finalizers_queued": 0,
            "finalizers_run": 0, "weak_cleared": 0, "retired_bytes": 0, "grace_periods": k, "stalls": 0,
            "pauses": histogram([(114688, 2 * k), (229376, k), (917504, 1 if k > 2 else 0)]),
            "times_to_stop": histogram([(14336, 3 * k)])}


def heaps(k):
    return [heap(WORDS, "generational", k, 4), heap("sessions", "rcu", k, 1), heap("cold", "refcount", 0, 1)]


def caches(k):
    out = []
    for name, scale in ((WORDS, 4), ("sessions", 1)):
        for cache, share in ((WORD, 3), ("table", 1)):
            live = (5000 + (k * 100) % 3000 * scale) * share // 4
            out.append({"heap": name, "name": cache, "object_bytes": 320, "align_bytes": 16, "variable": cache == WORD,
                        "flags": [], "debug": [], "live": live, "live_bytes": live * 320, "slots": live + 500,
                        "slabs": live // 200 + 1, "held_bytes": live * 400, "allocated": 250 * share * scale * k + 5000})
    return out


def slabs():
    for name in (WORDS, "sessions"):
        for cache, n in ((WORD, 61), ("table", 7)):
            for i in range(n):
                used = 200 * (i % 11) // 10
                yield {"heap": name, "cache": cache, "address": hex(0x7f0000000000 + i * 65536), "bytes": 65536,
                       "slots": 200, "used": used, "map": "f" * (used // 4)}
    yield {"heap": WORDS, "cache": "table", "address": "0x7f1000000000", "bytes": 4 << 20, "slots": 1, "used": 1, "map": "1"}


def events():
    sequence = 0
    for i in range(40):
        at = start + i * 20_000_000
        kind = int(i % 10 == 9)
        pause = 2_000_000 + i * 10_000 if kind else 300_000 + i * 5000
        for what, name, values, when in (
                ("collection begin", WORDS, {"kind": kind, "live_bytes": (3 << 20) + i * 40000}, at),
                ("stop", WORDS, {"to_stop_ns": 20000, "stop_ns": pause, "slowest_thread": 0}, at + pause),
                ("collection end", WORDS, {"kind": kind, "pause_ns": pause, "visited": 1000}, at + pause)):
            yield {"sequence": sequence, "time_ns": when, "kind": what, "name": name, "thread": 101, "values": values}
            sequence += 1
    yield {"sequence": sequence, "time_ns": start + 810_000_000, "kind": "stall", "name": "reader-1", "thread": 100,
           "values": {"age_ns": 30_000_000, "thread": 103}}


def values():
    def value(section, key, text, origin, **more):
        return {"section": section, "key": key, "value": text, "origin": origin, **more}
    return [
        value("heap." + WORDS, "strategy", "generational", "$SLABGC"),
        value("heap." + WORDS, "memory_limit", "8MiB", "/etc/slabgc/slabgc.conf:3", live=True, type="bytes", default="none"),
        value("strategy.generational", "young_size", "4MiB", "/etc/slabgc/slabgc.conf:9", live=True, type="bytes",
              minimum="64KiB", maximum="1GiB", default="16MiB", help="young objects between two minor collections"),
        value("strategy.generational", "full_growth", "100%", "default", live=True, type="percent", default="100%"),
    ]


def answer(connection, request):
    global stats
    command = request["command"]
    if command == "hello":
        return {"protocol": 1, "slabgc": "0.4.0", "pid": os.getpid(), "start": 1, "program": "fake<i>" if HOSTILE else "fake",
                "command_line": ["fake", "--words=<1>"], "uid": os.getuid(), "uptime_ns": time.monotonic_ns() - start,
                "heaps": [WORDS, "sessions", "cold"], "recording": False, "membarrier": True}
    if command == "stat":
        with lock:
            stats += 1
            if DIE_AFTER and stats > DIE_AFTER:
                os._exit(0)
            k = stats
        return {"time_ns": start + k * 500_000_000, "rss_bytes": 20 << 20, "heaps": heaps(k)}
    if command == "caches":
        return {"caches": caches(stats)}
    if command == "map":
        wanted = [slab for slab in slabs() if request.get("heap") in (None, slab["heap"]) and
                  request.get("cache") in (None, slab["cache"])]
        for at in range(0, len(wanted), 100):
            send(connection, {"id": request["id"], "items": wanted[at:at + 100]})
        return {"slabs": len(wanted), "slots": sum(s["slots"] for s in wanted), "used": sum(s["used"] for s in wanted)}
    if command == "log":
        wanted = [event for event in events() if event["sequence"] >= request.get("from", 0)]
        if wanted:
            send(connection, {"id": request["id"], "items": wanted})
        return {"next": 121, "lost": 0}
    if command == "get":
        return {"values": values()}
    return {}


def send(connection, value):
    connection.sendall(json.dumps(value).encode() + b"\n")


def serve(connection):
    with connection, connection.makefile("r", encoding="utf-8") as lines:
        for line in lines:
            request = json.loads(line)
            send(connection, {"id": request["id"], "ok": True, "result": answer(connection, request)})


def main():
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(sys.argv[1])
    listener.listen(8)
    print("listening", flush=True)
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()


if __name__ == "__main__":
    main()
