"""A program of everyday Python: dicts, strings, objects, threads, forked children. Prints a line for each part; the same
lines whatever malloc serves it. Argument: how much of it, in thousands."""

import hashlib
import json
import os
import subprocess
import sys
import threading

scale = int(sys.argv[1]) * 1000


def digest(*parts):
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def strings(n, seed):
    x = seed
    words = []
    for i in range(n):
        x = (x * 6364136223846793005 + 1442695040888963407) % 2**64
        words.append("%x" % (x >> 20) * (1 + i % 7))
    return words


def dictionaries():
    index = {}
    for i, word in enumerate(strings(scale, 1)):
        index.setdefault(word[:3], {})[word] = [i, word.upper()]
    for key in sorted(index)[::3]:
        del index[key]
    return digest(len(index), sorted((k, len(v)) for k, v in index.items()))


class Node:
    def __init__(self, key):
        self.key, self.left, self.right = key, None, None


def tree(n):
    root, x = Node(0), 1
    for _ in range(n):
        x = x * 1103515245 % 2147483647
        at = root
        while True:
            side = "left" if x < at.key else "right"
            child = getattr(at, side)
            if child is None:
                setattr(at, side, Node(x))
                break
            at = child
    total, stack = 0, [(root, 0)]
    while stack:
        at, depth = stack.pop()
        total += depth
        stack += [(c, depth + 1) for c in (at.left, at.right) if c]
    return digest(total)


def documents(n):
    records = [{"id": i, "name": w, "tags": [w[:4], w[4:8]], "score": i / 7} for i, w in enumerate(strings(n, 3))]
    text = json.dumps(records)
    again = json.loads(text)
    return digest(len(text), again == records, text.count("0"))


def growing(n):
    buffer, parts = bytearray(), []
    for i in range(n):
        buffer += b"%d," % (i * i)
        if i % 1000 == 0:
            parts.append(bytes(buffer[-4096:]))
    return digest(len(buffer), hashlib.sha256(buffer).hexdigest(), len(b"".join(parts)))


def threads():
    results = [None] * 4

    def run(k):
        results[k] = digest([len(w) for w in sorted(strings(scale // 8, k + 10))])

    workers = [threading.Thread(target=run, args=(k,)) for k in range(4)]
    for worker in workers:
        worker.start()
    pids = [forked(k) for k in range(3)]  # while they run
    for worker in workers:
        worker.join()
    return digest(results, [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids])


def forked(k):
    pid = os.fork()
    if pid == 0:
        kept = strings(2000, k)
        ok = len(set(kept)) == 2000 and json.loads(json.dumps(kept)) == kept
        os._exit(k + 1 if ok else 99)
    return pid


def children():
    out = subprocess.run(["/bin/sh", "-c", "echo $((6 * 7)); seq 1000 | tail -1"], capture_output=True, check=True)
    return digest(out.stdout)


print("dictionaries", dictionaries())
print("tree", tree(scale // 2))
print("documents", documents(scale // 2))
print("growing", growing(scale * 2))
print("threads", threads())
print("children", children())
