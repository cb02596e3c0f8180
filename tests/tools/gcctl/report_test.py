#!/usr/bin/env python3
"""gcctl report in a browser: pages of a process that is none (known figures, hostile names), of wordgraph that runs, and of wordgraph run to its end.

Headless Chromium opens each page: every chart that shows has drawn something of a size, the console is empty, nothing is asked of the network, the picture is not blank, in
light and dark, wide and narrow. Prints "ok: claim" lines and "N passed, N failed"."""
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import zlib

ROOT = os.path.join(os.environ.get("TEST_SRCDIR", ""), "slabgc")
GCCTL = os.environ.get("GCCTL") or os.path.join(ROOT, "tools/gcctl/gcctl")
WORDGRAPH = os.environ.get("WORDGRAPH") or os.path.join(ROOT, "tools/wordgraph/wordgraph")
HERE = os.path.dirname(os.path.abspath(__file__))
CHROMIUM = shutil.which("chromium")
passed = failed = 0

# Runs in the page: what shows of each chart, and whether anything is wider than the window.
PROBE = """<script>addEventListener('load',()=>{const charts=[...document.querySelectorAll('svg.chart')].filter(s=>s.getClientRects().length);
const out={charts:charts.map(s=>{const marks=[...s.querySelectorAll('[data-tip]:not(.hit),path.line')];const box=s.getBoundingClientRect();
return {label:s.getAttribute('aria-label'),role:s.getAttribute('role'),width:box.width,height:box.height,marks:marks.filter(m=>{const b=m.getBBox();
return b.width>0||b.height>0;}).length,texts:s.querySelectorAll('text').length,font:box.width/s.viewBox.baseVal.width*12};}),scripts:document.scripts.length,
images:document.images.length,wide:document.documentElement.scrollWidth-innerWidth,tables:document.querySelectorAll('figure table').length,
resources:performance.getEntriesByType('resource').length};
const hit=document.querySelector('[data-tip]');if(hit){hit.dispatchEvent(new PointerEvent('pointermove',{bubbles:true,clientX:50,clientY:50}));
out.tip=getComputedStyle(document.querySelector('.tip')).display+':'+document.querySelector('.tip').textContent;}
const probe=document.createElement('pre');probe.id='probe';probe.textContent=JSON.stringify(out);document.body.append(probe);});</script></body>"""


def check(claim, good, detail=""):
    global passed, failed
    if good:
        passed += 1
        print("ok: " + claim)
    else:
        failed += 1
        print("FAIL: %s %s" % (claim, detail))


def chromium(folder, *arguments):
    return subprocess.run([CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage",
                           "--user-data-dir=" + os.path.join(folder, "profile"), "--virtual-time-budget=5000",
                           "--enable-logging=stderr", "--v=0", *arguments], capture_output=True, text=True, timeout=300)


def look(folder, page, width):
    """Opens the page with the probe in it; what the probe says, and the lines of the console."""
    text = open(page, encoding="utf-8").read()
    probed = os.path.join(folder, "probed.html")
    with open(probed, "w", encoding="utf-8") as out:
        out.write(text.replace("</body>", PROBE))
    run = chromium(folder, "--window-size=%d,2000" % width, "--dump-dom", "file://" + probed)
    found = re.search(r'<pre id="probe">(.*?)</pre>', run.stdout, re.S)
    console = [line for line in run.stderr.splitlines() if ":CONSOLE" in line]
    if not found:
        return None, console
    return json.loads(found[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")), console


def png_rows(path):
    """Rows of pixels (3 or 4 bytes each) of an 8-bit PNG without interlace; bytes of a pixel."""
    data = open(path, "rb").read()
    at, packed = 8, b""
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at:at + 8])
        if kind == b"IHDR":
            width, height, depth, color = struct.unpack(">IIBB", data[at + 8:at + 18])
        elif kind == b"IDAT":
            packed += data[at + 8:at + 8 + length]
        at += 12 + length
    size = {2: 3, 6: 4}[color]
    raw, rows, stride = zlib.decompress(packed), [], width * size
    before = bytearray(stride)
    for y in range(height):
        kind, line = raw[y * (stride + 1)], bytearray(raw[y * (stride + 1) + 1:(y + 1) * (stride + 1)])
        for i in range(stride):
            left, up, corner = line[i - size] if i >= size else 0, before[i], before[i - size] if i >= size else 0
            if kind == 1:
                line[i] = (line[i] + left) & 255
            elif kind == 2:
                line[i] = (line[i] + up) & 255
            elif kind == 3:
                line[i] = (line[i] + (left + up) // 2) & 255
            elif kind == 4:
                p = left + up - corner
                near = min((abs(p - left), 0, left), (abs(p - up), 1, up), (abs(p - corner), 2, corner))
                line[i] = (line[i] + near[2]) & 255
        rows.append(line)
        before = line
    return rows, size


def picture(folder, page, dark):
    """The background's brightness (0 to 255), and how many pixels of a hundred are something else."""
    path = os.path.join(folder, "shot.png")
    chromium(folder, "--window-size=420,700", "--screenshot=" + path, *(["--blink-settings=preferredColorScheme=0"] if dark else []), "file://" + page)
    rows, size = png_rows(path)
    back = bytes(rows[2][:3])
    other = sum(bytes(row[i:i + 3]) != back for row in rows for i in range(0, len(row), size * 3))
    return sum(back) / 3, 100 * other / (len(rows) * len(rows[0]) / size / 3)


def check_page(folder, page, name, labels, widths=(1280, 420)):
    text = open(page, encoding="utf-8").read()
    bare = re.sub(r'"[^"]*"', '""', text)  # without attributes' values, in which names of heaps stand
    check("%s: no address in it, and a policy against loading" % name, not re.search(r"https?:|url\(|@import|<link|<[a-z]+[^<>]*src=", bare) and
          "default-src 'none'" in text and "://" not in text, re.findall(r".{20}https?:.{20}|<[^<>]*src=.{20}", bare)[:3])
    for width in widths:
        found, console = look(folder, page, width)
        if not found:
            check("%s opens at %d" % (name, width), False, console)
            continue
        check("%s at %d: each chart has drawn marks of a size, texts, role and label" % (name, width), found["charts"] and
              all(c["marks"] and c["texts"] > 2 and c["role"] == "img" and c["label"] and c["width"] > 250 and c["height"] > 60
                  for c in found["charts"]), [c for c in found["charts"] if not c["marks"]] or found)
        check("%s at %d: the charts expected are there" % (name, width),
              all(any(label in c["label"] for c in found["charts"]) for label in labels), [c["label"] for c in found["charts"]])
        check("%s at %d: text in charts is at least 11 pixels high" % (name, width), min(c["font"] for c in found["charts"]) >= 11, found)
        check("%s at %d: nothing is wider than the window" % (name, width), found["wide"] <= 0, found["wide"])
        check("%s at %d: the console is empty and nothing was loaded" % (name, width), not console and not found["resources"], console)
        check("%s at %d: a mark that is pointed at tells its figures" % (name, width), found["tip"].startswith("block:") and len(found["tip"]) > 9,
              found["tip"])
        check("%s at %d: each chart has a table" % (name, width), found["tables"] >= len(found["charts"]) - 3 and found["tables"] > 0, found)
    return found


def test_fake(folder):
    tune = os.path.join(folder, "tune.json")
    with open(tune, "w", encoding="utf-8") as out:
        subprocess.run([sys.executable, os.path.join(HERE, "make_tune.py")], stdout=out, check=True)
    socket, page = os.path.join(folder, "s"), os.path.join(folder, "fake.html")
    fake = subprocess.Popen([sys.executable, os.path.join(HERE, "fake_server.py"), socket, "--hostile"], stdout=subprocess.PIPE)
    fake.stdout.readline()
    try:
        run = subprocess.run([GCCTL, "report", "-p", socket, "--for", "100ms", "--tune", tune, "-o", page], capture_output=True, text=True, timeout=300)
    finally:
        fake.kill()
        fake.wait()
        fake.stdout.close()
    check("a report of a process is written", run.returncode == 0 and os.path.getsize(page) > 20000, run)
    found = check_page(folder, page, "known figures", ["Memory and pauses", "Distribution of pauses", "Occupancy", "p99_pause against time",
                                                       "peak_memory against p99_pause", "share of the variance"])
    check("markup in names stays text", found and found["scripts"] == 2 and found["images"] == 0, found)
    text = open(page, encoding="utf-8").read()
    check("a section without data says why and how to get it", "No recording was given" in text and "gcctl record PID" in text)
    check("config has lines to copy", 'data-copy="config-tuned"' in text and "young_size = 4MiB" in text and 'data-copy="config-set"' in text)
    for dark in (False, True):
        brightness, other = picture(folder, page, dark)
        check("the picture is not blank, %s" % ("dark where that is preferred" if dark else "light otherwise"),
              (brightness < 60) == dark and 3 < other < 70, (brightness, other))
    run = subprocess.run([GCCTL, "report", "--tune", tune, "-o", "-"], capture_output=True, text=True, timeout=300)
    check("a tune alone makes a page", run.returncode == 0 and "p99_pause against time" in run.stdout and "No process was watched" in run.stdout)
    with open(tune, "w", encoding="utf-8") as out:
        out.write("{\"tune\":1,")
    run = subprocess.run([GCCTL, "report", "--tune", tune, "-o", "-"], capture_output=True, text=True, timeout=300)
    check("a result that is no JSON is status 65 with its place", run.returncode == 65 and "tune.json:1:" in run.stderr and not run.stdout, run)


def plugin_path():
    folders = []
    for name in ("generational", "rcu", "refcount"):
        file = os.path.join(ROOT, "plugins", name, name + ".so")
        if os.path.exists(file):
            folders.append(os.path.dirname(os.path.realpath(file)))
    return ":".join(folders) or os.environ.get("SLABGC_PLUGIN_PATH", "")


def has_collected(socket):
    run = subprocess.run([GCCTL, "stat", "-p", socket, "--json"], capture_output=True, text=True, timeout=300)
    return run.returncode == 0 and any(heap["pauses"]["n"] > 3 for heap in json.loads(run.stdout)["heaps"])


def test_wordgraph(folder):
    socket, page = os.path.join(folder, "w"), os.path.join(folder, "live.html")
    environment = {**os.environ, "SLABGC_PLUGIN_PATH": plugin_path()}
    live = subprocess.Popen([WORDGRAPH, "--max-words=1000", "--repeat=100000"], stdout=subprocess.DEVNULL,
                            env={**environment, "SLABGC": "strategy=generational,strategy.generational.young_size=1MiB,control.socket=" + socket})
    end = time.monotonic() + 120
    try:
        while not has_collected(socket) and time.monotonic() < end and live.poll() is None:
            time.sleep(0.05)
        run = subprocess.run([GCCTL, "report", "-p", socket, "--for", "1500ms", "-o", page], capture_output=True, text=True, timeout=300)
    finally:
        live.kill()
        live.wait()
    check("a report of a wordgraph that runs is written", run.returncode == 0, run)
    check_page(folder, page, "wordgraph", ["Memory and pauses", "Distribution of pauses", "Occupancy"], [1280])
    page = os.path.join(folder, "program.html")
    run = subprocess.run([GCCTL, "report", "-o", page, "--", WORDGRAPH, "--max-words=1000", "--repeat=40"], capture_output=True, text=True,
                         timeout=300, env={**environment, "SLABGC": "strategy=generational,strategy.generational.young_size=1MiB"})
    check("a report of a program is written", run.returncode == 0, run)
    check_page(folder, page, "program", ["Memory and pauses", "Distribution of pauses", "Occupancy", "Lifetimes"])
    run = subprocess.run([GCCTL, "report", "-o", page, "--for", "500ms", "--", WORDGRAPH, "--max-words=1000", "--repeat=100000"], capture_output=True,
                         text=True, timeout=300, env=environment)
    check("a program that does not end is ended both times, and what it did is in the page",
          run.returncode == 0 and "gave no recording" not in open(page, encoding="utf-8").read(), run)
    run = subprocess.run([GCCTL, "report", "-o", page, "--", "/bin/true"], capture_output=True, text=True, timeout=300)
    check("a program without slabgc is told apart", run.returncode == 69 and "heap of slabgc" in run.stderr, run)


def main():
    folder = tempfile.mkdtemp(prefix="slabgc-test-", dir="/tmp")
    try:
        if not CHROMIUM:
            check("chromium is there (bazel/setup installs it)", False)
        else:
            for test in (test_fake, test_wordgraph):
                try:
                    test(folder)
                except Exception as error:  # a claim like the others
                    check("%s runs to its end" % test.__name__, False, repr(error))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print("%d passed, %d failed" % (passed, failed))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
