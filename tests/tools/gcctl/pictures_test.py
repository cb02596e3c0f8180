#!/usr/bin/env python3
"""top, map and export end to end, against a process that is none (fake_server.py): on a terminal of pseudo kind, in batch, and when the process ends.

The figures that the fake gives are known, so what is drawn and written is held against them. Prints "ok: claim" lines and "N passed, N failed"."""
import csv
import fcntl
import io
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
import xml.dom.minidom

ROOT = os.path.join(os.environ.get("TEST_SRCDIR", ""), "slabgc")
GCCTL = os.environ.get("GCCTL") or os.path.join(ROOT, "tools/gcctl/gcctl")
FAKE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fake_server.py")
passed = failed = 0


def check(claim, good, detail=""):
    global passed, failed
    if good:
        passed += 1
        print("ok: " + claim)
    else:
        failed += 1
        print("FAIL: %s %s" % (claim, detail))


class Fake:
    """fake_server.py while a block runs."""

    def __init__(self, *options):
        self.folder = tempfile.TemporaryDirectory(dir="/tmp")  # a socket's path has 107 bytes
        self.path = os.path.join(self.folder.name, "s")
        self.options = options

    def __enter__(self):
        self.process = subprocess.Popen([sys.executable, FAKE, self.path, *self.options], stdout=subprocess.PIPE)
        self.process.stdout.readline()
        return self.path

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.folder.cleanup()


def gcctl(*arguments, **more):
    environment = {**os.environ, "LC_ALL": "C.UTF-8", **more}
    return subprocess.run([GCCTL, *arguments], capture_output=True, text=True, env=environment, timeout=300)


class Screen:
    """A terminal's screen: what of its language ncurses uses with TERM=vt100."""

    def __init__(self, rows, columns):
        self.rows, self.columns = rows, columns
        self.lines = [[" "] * columns for _ in range(rows)]
        self.y = self.x = self.top = 0
        self.bottom = rows - 1

    def scroll(self, up):
        """Moves the lines of the scrolling region by one."""
        gone, new = (self.top, self.bottom) if up else (self.bottom, self.top)
        del self.lines[gone]
        self.lines.insert(new, [" "] * self.columns)

    def feed(self, text):
        for token in re.findall(r"\x1b\[[?0-9;]*[a-zA-Z]|\x1b[()][A-Z0-9]|\x1b[=>78DM]|.|\n", text, re.S):
            if token.startswith("\x1b["):
                self.sequence(token)
            elif token == "\r":
                self.x = 0
            elif token in ("\n", "\x1bD", "\x1bM"):
                up = token != "\x1bM"
                if self.y == (self.bottom if up else self.top):
                    self.scroll(up)
                else:
                    self.y += 1 if up else -1
            elif token == "\b":
                self.x = max(self.x - 1, 0)
            elif len(token) == 1 and token >= " ":
                if self.x < self.columns:
                    self.lines[self.y][self.x] = token
                self.x += 1

    def sequence(self, token):
        numbers = [int(n) if n.isdigit() else 0 for n in token[2:-1].lstrip("?").split(";")]
        first, what = numbers[0], token[-1]
        if what == "H":
            self.y, self.x = max(first, 1) - 1, max(numbers[1] if len(numbers) > 1 else 1, 1) - 1
        elif what == "r":
            self.top = max(first, 1) - 1
            self.bottom = min(numbers[1] if len(numbers) > 1 and numbers[1] else self.rows, self.rows) - 1
            self.y = self.x = 0
        elif what == "J":
            self.erase(self.x, self.y)
        elif what == "K":
            start, end = (0, self.x + 1) if first == 1 else (self.x, self.columns)
            self.lines[self.y][start:end] = [" "] * (end - start)
        elif what in "ABCD":
            step = max(first, 1)
            self.y += step * ((what == "B") - (what == "A"))
            self.x += step * ((what == "C") - (what == "D"))
        self.y = min(max(self.y, 0), self.rows - 1)

    def erase(self, x, y):
        self.lines[y][x:] = [" "] * (self.columns - x)
        for line in range(y + 1, self.rows):
            self.lines[line] = [" "] * self.columns

    def text(self):
        return "\n".join("".join(line).rstrip() for line in self.lines)


class Terminal:
    def __init__(self, arguments, rows=24, columns=100):
        self.screen = Screen(rows, columns)
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM="vt100", LC_ALL="C.UTF-8", LINES="", COLUMNS="")
            for name in ("LINES", "COLUMNS"):
                del os.environ[name]
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))  # there when it looks
            try:
                os.execv(GCCTL, [GCCTL, *arguments])
            finally:
                os._exit(127)
        self.raw = ""

    def size(self, rows, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self, seconds):
        if not select.select([self.fd], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            data = b""
        self.raw += data.decode("utf-8", "replace")
        self.screen.feed(data.decode("utf-8", "replace"))
        return bool(data)

    def until(self, condition, seconds=120):
        """Reads until condition(screen's text) holds; whether it came to hold."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if condition(self.screen.text()):
                return True
            if not self.read(0.1):
                return condition(self.screen.text())
        return False

    def type(self, keys):
        os.write(self.fd, keys.encode())

    def finish(self, seconds=120):
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.read(0.1):
            pass
        if time.monotonic() >= end:
            os.kill(self.pid, signal.SIGKILL)
        status = os.waitpid(self.pid, 0)[1]
        os.close(self.fd)
        return os.waitstatus_to_exitcode(status) if hasattr(os, "waitstatus_to_exitcode") else status >> 8


def test_top_terminal():
    with Fake() as path:
        terminal = Terminal(["top", "-p", path, "-i", "100ms"])
        check("top draws heaps, caches and rates on a terminal",
              terminal.until(lambda text: re.search(r"words +generational .* 8000 +7200 ", text) and "  word " in text),
              terminal.screen.text())
        terminal.type("h")
        check("h sorts by memory held", terminal.until(lambda text: "HELDv" in text), terminal.screen.text())
        terminal.type("n")
        check("n sorts by name", terminal.until(lambda text: text.find("\ncold") < text.find("\nsessions") < text.find("\nwords")),
              terminal.screen.text())
        terminal.type("/sess\r")
        check("/ filters by name", terminal.until(lambda text: "sessions" in text and "\nwords" not in text), terminal.screen.text())
        terminal.type("/\x7f\x7f\x7f\x7f\r")
        terminal.until(lambda text: "\nwords" in text)
        terminal.type("t")
        check("t hides caches", terminal.until(lambda text: "\nwords" in text and "  word " not in text), terminal.screen.text())
        terminal.type(" ")
        check("space halts", terminal.until(lambda text: "[HALTED]" in text))
        terminal.type(" ")
        terminal.type("\x1bOB\x1bOB\r")
        check("Enter shows a heap's details: histogram and parameters",
              terminal.until(lambda text: "words: strategy generational" in text and "young_size" in text and
                             "pauses since the heap opened" in text and "###" in text), terminal.screen.text())
        terminal.type("\x1b")
        check("Escape goes back", terminal.until(lambda text: "HEAP / CACHE" in text))
        terminal.screen = Screen(12, 60)
        terminal.size(12, 60)
        check("top draws anew when the terminal shrinks", terminal.until(lambda text: "HEAP / CACHE" in text and "words" in text))
        terminal.type("q")
        check("q quits with status 0", terminal.finish() == 0)


def test_top_end():
    with Fake("--die-after", "6") as path:
        terminal = Terminal(["top", "-p", path, "-i", "100ms"])
        status = terminal.finish()
        check("top ends by itself when the process ends, and says so", status == 0 and re.search(r"gcctl: fake \(\d+\) has ended", terminal.raw),
              (status, terminal.raw[-300:]))
    with Fake("--die-after", "3") as path:
        run = gcctl("top", "-p", path, "--batch", "--interval", "50ms", "--count", "9")
        check("a count that cannot be met is status 69", run.returncode == 69 and "has ended" in run.stderr, run)
        check("and what came before was printed", run.stdout.count("HEAP / CACHE") == 2, run.stdout)


def test_top_batch():
    with Fake() as path:
        run = gcctl("top", "-p", path, "--count", "2", "--interval", "50ms", "--sort", "name")
        check("without a terminal top prints tables", run.returncode == 0 and run.stdout.count("HEAP / CACHE") == 2 and
              "\033" not in run.stdout and re.search(r"words +generational +\d+ .* 8000 +7200 +8.0 ", run.stdout), run)
        run = gcctl("top", "-p", path, "--json", "--count", "3", "--interval", "50ms", "--filter", "sess")
        lines = [json.loads(line) for line in run.stdout.splitlines()]
        check("--json prints a line for each sample", len(lines) == 3 and
              all([heap["heap"] for heap in line["heaps"]] == ["sessions"] for line in lines), run.stdout)
        check("rates in JSON are numbers", lines[0]["heaps"][0]["allocated_per_s"] == 2000, run.stdout)


def test_map():
    with Fake() as path:
        run = gcctl("map", "-p", path)
        check("map draws each cache with a legend, without colour when piped",
              "sessions / word: 61 slabs" in run.stdout and "█" in run.stdout and "\033" not in run.stdout, run)
        run = gcctl("map", "-p", path, "--ascii", "words", "--cache", "table")
        check("map of one cache in ASCII", run.stdout.isascii() and "words / table: 8 slabs" in run.stdout and
              ".123456#" in run.stdout and "sessions" not in run.stdout, run)
        check("map has colour where it is wanted", "\033[38;5;" in gcctl("map", "-p", path, "--color=always").stdout)
        check("map without UTF-8 falls back to ASCII", gcctl("map", "-p", path, LC_ALL="C").stdout.isascii())
        run = gcctl("map", "-p", path, "--json")
        value = json.loads(run.stdout)
        check("map --json has every slab and the sums", len(value["slabs"]) == 137 and
              value["used"] == sum(slab["used"] for slab in value["slabs"]) and "map" in value["slabs"][0], run.stdout[:200])
    with Fake("--hostile") as path, tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "map.svg")
        run = gcctl("map", "-p", path, "--svg", file)
        text = open(file, encoding="utf-8").read()
        document = xml.dom.minidom.parseString(text)
        check("map --svg is XML with a square for each slab, whatever names are", run.returncode == 0 and
              len([r for r in document.getElementsByTagName("rect") if r.getAttribute("data-tip")]) == 137)
        check("map --svg stands alone and runs nothing", not document.getElementsByTagName("script") and
              not document.getElementsByTagName("image") and re.findall(r"https?://[^\"]*", text) == ["http://www.w3.org/2000/svg"])
        run = gcctl("map", "-p", path, "--svg", os.path.join(folder, "no/such"))
        check("a file that cannot be made is status 73", run.returncode == 73, run)


NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(,|$)')


def parse_prometheus(text):
    """A strict reader of the text format: families {name: (type, [(sample's name, labels, value)])}; ValueError."""
    families, current, seen = {}, None, set()
    if not text.endswith("\n"):
        raise ValueError("no newline at the end")
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            current = line.split(" ", 3)[2]
            if current in families or not NAME.fullmatch(current):
                raise ValueError("family twice or misnamed: " + line)
            families[current] = [None, []]
            continue
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            if name != current or families[name][0] or kind not in ("gauge", "counter", "histogram"):
                raise ValueError(line)
            families[name][0] = kind
            continue
        match = re.fullmatch(r"([^{ ]+)\{(.*)\} (\S+)", line)
        if not match:
            raise ValueError("no sample: " + line)
        name, inner, value = match.groups()
        base = re.sub(r"_(bucket|sum|count)$", "", name) if families[current][0] == "histogram" else name
        labels, at = {}, 0
        while at < len(inner):
            label = LABEL.match(inner, at)
            if not label or label[1] in labels:
                raise ValueError("labels: " + line)
            labels[label[1]] = label[2].replace("\\\\", "\0").replace('\\"', '"').replace("\\n", "\n").replace("\0", "\\")
            at = label.end()
        key = (name, tuple(sorted(labels.items())))
        if base != current or key in seen:
            raise ValueError("not of its family, or twice: " + line)
        seen.add(key)
        families[current][1].append((name, labels, float(value)))
    return families


def histograms_hold(families):
    for name, (kind, samples) in families.items():
        if kind != "histogram":
            continue
        series = {}
        for sample, labels, value in samples:
            key = tuple(sorted((k, v) for k, v in labels.items() if k != "le"))
            series.setdefault(key, {}).setdefault(sample[len(name):], []).append((labels.get("le"), value))
        for parts in series.values():
            bounds = [float(le) for le, _ in parts["_bucket"]]
            counts = [count for _, count in parts["_bucket"]]
            if bounds != sorted(bounds) or counts != sorted(counts) or bounds[-1] != float("inf") or counts[-1] != parts["_count"][0][1]:
                return False
    return True


def test_prometheus():
    with Fake() as path:
        run = gcctl("export", "-p", path, "--prometheus")
        families = parse_prometheus(run.stdout)
        check("Prometheus text passes a strict parser", run.returncode == 0 and len(families) > 20)
        check("its histograms rise to their count", histograms_hold(families))
        check("counters end in _total, and only they", all((kind == "counter") == name.endswith("_total") for name, (kind, _) in families.items()))
        pauses = families["slabgc_heap_pause_seconds"][1]
        check("bounds are in seconds", [labels["le"] for name, labels, _ in pauses if labels.get("heap") == "words" and "le" in labels][0] == "1.024e-06")
        check("a limit that is none is left out", [labels["heap"] for _, labels, _ in families["slabgc_heap_memory_limit_bytes"][1]] == ["words"])
    with Fake("--hostile") as path:
        families = parse_prometheus(gcctl("export", "-p", path, "--prometheus").stdout)
        heaps = {labels["heap"] for _, labels, _ in families["slabgc_heap_live_bytes"][1]}
        check("labels come back as they were", '<b>"w&o\'r\\ds\n</script><script>alert(1)</script>' in heaps, heaps)


def test_perfetto():
    with Fake() as path, tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "trace.json")
        run = gcctl("export", "-p", path, "--perfetto", "--for", "300ms", "-o", file)
        events = json.load(open(file, encoding="utf-8"))["traceEvents"]
        slices = [event for event in events if event["ph"] == "X"]
        check("Perfetto's trace has each collection once", run.returncode == 0 and run.stdout == "" and
              len([s for s in slices if s["name"] in ("minor", "full")]) == 40, run)
        check("a stall is a slice of its thread", [s["dur"] for s in slices if s["name"] == "long section" and s["tid"] == 103] == [30000])
        check("live and held bytes are counters", {event["name"] for event in events if event["ph"] == "C"} >=
              {"heap words: live", "heap words: held", "heap sessions: held"})
        nested = True
        for tid in {s["tid"] for s in slices}:
            track, ends = sorted((s["ts"], -s["dur"]) for s in slices if s["tid"] == tid), []
            for begin, length in track:
                while ends and ends[-1] <= begin + 1e-3:
                    ends.pop()
                nested = nested and (not ends or begin - length <= ends[-1] + 1e-3)
                ends.append(begin - length)
        check("slices of a track nest", nested)


def test_csv():
    with Fake() as path:
        run = gcctl("export", "-p", path, "--csv", "--count", "4", "--interval", "20ms")
        rows = list(csv.DictReader(io.StringIO(run.stdout)))
        check("CSV has a line for each heap and sample", len(rows) == 12 and [r["heap"] for r in rows[:3]] == ["words", "sessions", "cold"], run)
        check("times run from the first sample", [float(r["seconds"]) for r in rows[::3]] == [0, 0.5, 1, 1.5], run.stdout)
    with Fake("--hostile") as path:
        rows = list(csv.DictReader(io.StringIO(gcctl("export", "-p", path, "--csv").stdout)))
        check("CSV quotes what must be quoted", rows[0]["heap"].startswith('<b>"w&o') and rows[1]["heap"] == "sessions", rows)
        kept, full = (os.path.join(os.path.dirname(path), name) for name in ("kept.csv", "full"))
        with open(kept, "w", encoding="utf-8") as out:
            out.write("mine")
        run = gcctl("export", "-p", path + "-absent", "--csv", "-o", kept)
        check("without a process, a file that is there stays as it is", run.returncode == 69 and os.path.exists(kept) and os.path.getsize(kept) == 4, run)
        os.symlink("/dev/full", full)
        run = gcctl("export", "-p", path, "--csv", "-o", full)
        check("what cannot be written is status 74, and a device is not removed", run.returncode == 74 and os.path.islink(full), run)
        check("one format must be chosen", gcctl("export", "-p", path).returncode == 64)


def main():
    for test in (test_top_terminal, test_top_end, test_top_batch, test_map, test_prometheus, test_perfetto, test_csv):
        try:
            test()
        except Exception as error:  # a claim like the others
            check("%s runs to its end" % test.__name__, False, repr(error))
    print("%d passed, %d failed" % (passed, failed))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
