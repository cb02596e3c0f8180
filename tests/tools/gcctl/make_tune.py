#!/usr/bin/env python3
"""Prints the result of a tune (tools/gcctl/TUNE-RESULT.md) that nobody made: 40 points whose figures follow from their numbers. For tests of gcctl report."""
import json
import random

random.seed(7)
OBJECTIVES = ["time", "p99_pause", "peak_memory"]
BASE = {"time": 1.2e9, "cpu": 1.5e9, "p50_pause": 2e5, "p99_pause": 9e5, "max_pause": 2e6, "peak_memory": 48 << 20, "peak_heap": 30 << 20}


def point(i):
    strategy = ["generational", "rcu", "refcount"][i % 3] if i else "generational"
    scale = {name: 1 if i == 0 else random.uniform(0.7, 1.6) for name in BASE}
    median = {name: int(BASE[name] * scale[name]) for name in BASE}
    changed = ["strategy.%s.young_size" % strategy] if i and i % 3 == 0 else []
    return {"id": i, "origin": "defaults" if i == 0 else "sample", "heaps": {"words<i>": strategy},
            "values": {"strategy.generational.young_size": (1 + i) << 20}, "changed": changed,
            "runs": [{"failed": False, "timed_out": False, "ms_since_start": 100 * i, **median}] * 2, "median": median,
            "ratio": scale, "feasible": i % 9 != 8, "pareto": False, "finalist": i in (3, 12)}


points = [point(i) for i in range(40)]
points[7]["median"] = points[7]["ratio"] = None
measured = [p for p in points if p["median"]]
for p in measured:
    p["pareto"] = not any(all(q["median"][o] <= p["median"][o] for o in OBJECTIVES) and
                          any(q["median"][o] < p["median"][o] for o in OBJECTIVES) for q in measured)
chosen = next(p["id"] for p in measured if p["pareto"] and p["id"])
result = {
    "tune": 1, "slabgc": "0.4.0", "date": "2026-01-31T12:00:00Z", "seed": 7, "program": ["wordgraph"], "recording": None,
    "budget_ns": 30_000_000_000, "used_ns": 29_000_000_000, "runs": 80, "ended": "budget", "objectives": OBJECTIVES,
    "constraints": [], "heaps": [{"name": "words<i>", "strategy": "generational", "needs": [], "strategies": ["generational", "rcu"]}],
    "left_out": [{"strategy": "none", "missing": ["cycles"]}],
    "parameters": [{"strategy": "generational", "key": "young_size", "type": "bytes", "minimum": 65536, "maximum": 1 << 30,
                    "default": 16 << 20, "scale": "log"}],
    "baseline": {"point": 0, "runs": 5, "spread": {}}, "points": points,
    "finalists": [{"point": chosen, "pairs": 5, "ratio": {o: {"median": 0.83, "low": 0.8, "high": 0.86, "verdict": "better"}
                                                         for o in OBJECTIVES}, "score": 0.83, "chosen": True, "settings": []}],
    "sensitivity": [{"strategy": None, "key": "strategy", "objective": o, "points": 39, "correlation": None, "explained": 0.55}
                    for o in OBJECTIVES] +
                   [{"strategy": s, "key": k, "objective": o, "points": 13, "correlation": c, "explained": abs(c)}
                    for s, k, c in (("generational", "young_size", -0.7), ("generational", "full_growth", 0.2),
                                    ("rcu", "retired_soft", 0.05)) for o in OBJECTIVES],
    "choice": {"point": chosen, "keep_defaults": False, "reason": "better in all objectives & outside the noise"},
    "config": {"path": None, "text": "# chosen by gcctl tune\n[heap.words<i>]\nstrategy = generational\n[strategy.generational]\nyoung_size = 4MiB\n",
               "settings": [], "diff": [{"section": "strategy.generational", "key": "young_size", "default": "16MiB", "value": "4MiB"}]},
}
print(json.dumps(result, indent=1))
