#!/usr/bin/env python3
"""wrong_server.py - a process with a control socket that answers wrongly, for live_test.sh.

    wrong_server.py DIRECTORY KIND

It listens at DIRECTORY/slabgc/PID-START.sock, says "ready" on stdout, and answers hello as CONTROL.md says. What it does with the next
request is KIND's: garbage (no JSON), array (JSON, no object), wrong (an object without result), half (half an answer, then the end),
end (the end at once), long (a line without end), silent (nothing), types (members of other types than they should have), escapes (names
that are commands to a terminal), many (pieces of all shapes), version (another protocol in hello), full (an error line and the end, before
any request)."""
import json
import os
import socket
import sys

HELLO = {"protocol": 1, "slabgc": "0.0.0", "program": "fake", "command_line": ["fake"], "uid": os.getuid(), "uptime_ns": 1,
         "heaps": ["one"], "recording": False, "membarrier": True}


def start_time():
    with open("/proc/self/stat", encoding="utf-8") as stat:
        return int(stat.read().rpartition(")")[2].split()[19])


def line(value):
    return (json.dumps(value) + "\n").encode()


def answer(kind, client, request):
    """Answers what is not hello."""
    asked = request["id"]
    if kind == "garbage":
        client.sendall(b"this is no JSON\n")
    elif kind == "array":
        client.sendall(b"[1,2,3]\n")
    elif kind == "wrong":
        client.sendall(line({"id": asked, "ok": True}))
    elif kind == "half":
        client.sendall(line({"id": asked, "ok": True, "result": {}})[:12])
        client.shutdown(socket.SHUT_RDWR)
    elif kind == "end":
        client.shutdown(socket.SHUT_RDWR)
    elif kind == "long":
        try:
            while True:
                client.sendall(b"x" * 65536)
        except OSError:
            pass
    elif kind == "types":
        heap = {"name": 3, "strategy": None, "live_objects": "many", "pauses": [1], "times_to_stop": {"n": -1, "buckets": [3, [1], ["a", {}]]}}
        client.sendall(line({"id": asked, "ok": True, "result": {
            "heaps": [heap, 7, None], "caches": {"a": 1}, "values": [1, {"key": 1}], "path": 4, "types": [[]], "found": "yes",
            "changed": [1], "key": 5, "new": {}}}))
    elif kind == "escapes":
        name = "a\x1b]0;b\x07\x9b31m\r\x7f\\u001b"
        member = dict.fromkeys(("name", "heap", "cache", "strategy", "id", "kind", "message", "section", "key", "value", "origin", "type"), name)
        member |= {"values": {name: name, "x" + name: 1}, "oldest": [name], "sites": [{"site": name, "held": 1}], "unreachable": 1}
        client.sendall(line({"id": asked, "items": [member]}))
        client.sendall(line({"id": asked, "ok": True, "result": {
            "heaps": [member], "caches": [member], "values": [member], "path": [member], "found": True, "types": [member],
            "changed": [name], "key": name, "old": name, "new": name, "heap": name}}))
    elif kind == "many":
        for items in ([], [1, None, {}], {"a": 1}, "text"):
            client.sendall(line({"id": asked, "items": items}))
        client.sendall(line({"id": 10**6, "ok": True, "result": {"of": "another request"}}))
        client.sendall(line({"id": asked, "ok": True, "result": {"objects": "x"}}))


def serve(kind, client):
    """One client, until it goes."""
    if kind == "full":
        client.sendall(line({"id": None, "ok": False, "error": {"code": "EBUSY", "message": "8 clients are enough"}}))
        client.close()
        return
    for text in client.makefile("r", encoding="utf-8"):
        request = json.loads(text)
        if request["command"] == "hello":
            hello = dict(HELLO, pid=os.getpid(), start=start_time())
            if kind == "version":
                hello["protocol"] = 2
            client.sendall(line({"id": request["id"], "ok": True, "result": hello}))
        else:
            answer(kind, client, request)


def main():
    directory, kind = sys.argv[1:]
    os.makedirs(f"{directory}/slabgc", mode=0o700, exist_ok=True)
    os.chdir(f"{directory}/slabgc")  # the whole path may be longer than an address
    server = socket.socket(socket.AF_UNIX)
    server.bind(f"{os.getpid()}-{start_time()}.sock")
    server.listen(8)
    print("ready", flush=True)
    while True:
        client = server.accept()[0]
        try:
            serve(kind, client)
        except OSError:
            pass
        finally:
            client.close()


main()
