"""The statistics of scripts/tuning-effect: pairs of runs in, a gain with its interval and a verdict out. Pure.

A gain is in percent and positive where the setting helps: more messages/s, a shorter p99. The median over the pairs is
given with the middle 95 % of the medians of 10,000 samples drawn from the pairs with replacement (bootstrap); the draw
has a fixed seed, so that the same figures give the same interval.

`python3 scripts/effect.py` tests it.
"""

import random
import statistics

NO_EFFECT = "no measurable effect on this host"
# Below these a difference is within what two equal runs show, however narrow the interval.
LEAST = {"throughput": 3.0, "p99": 10.0}
SAMPLES = 10_000


def order(pairs):
    """Off, on, on, off, ...: True is on."""
    return [is_on for pair in range(pairs) for is_on in ((False, True) if pair % 2 == 0 else (True, False))]


def gains(runs):
    """Of each pair of runs, one off and one on, in either order."""
    of = {"throughput": [], "p99": []}
    for first, second in zip(runs[::2], runs[1::2]):
        off, on = (second, first) if first["on"] else (first, second)
        assert not off["on"] and on["on"], "a pair has one run of each"
        of["throughput"].append(100 * (on["messages_per_s"] / off["messages_per_s"] - 1))
        of["p99"].append(100 * (1 - on["p99_ms"] / off["p99_ms"]))
    return of


def interval(values):
    draw = random.Random(1)
    medians = sorted(statistics.median(draw.choices(values, k=len(values))) for _ in range(SAMPLES))
    return medians[int(SAMPLES * 0.025)], medians[int(SAMPLES * 0.975) - 1]


def summary(runs):
    found, verdict = {}, []
    for name, values in gains(runs).items():
        median, (low, high) = statistics.median(values), interval(values)
        rounded = {"median": round(median, 2), "low": round(low, 2), "high": round(high, 2)}
        found[f"{name}_gain_percent"] = {**rounded, "pairs": [round(value, 2) for value in values]}
        if abs(median) >= LEAST[name] and (low > 0 or high < 0):
            verdict.append(f"{name} {'better' if median > 0 else 'worse'}")
    off = [run["messages_per_s"] for run in runs if not run["on"]]
    # What equal runs differ by: a host where this is large cannot show a small effect, which is not to say there is none.
    spread = 100 * (max(off) - min(off)) / statistics.median(off)
    return {**found, "off_spread_percent": round(spread, 1), "verdict": ", ".join(verdict) or NO_EFFECT}


def table(results):
    rows = ["| Setting | Off | On | Throughput | p99 | Equal runs differ by | Verdict |", "|---|---|---|---|---|---|---|"]
    for result in results:
        key, cells = result["keys"][0], []
        for name in ("throughput_gain_percent", "p99_gain_percent"):
            gain = result[name]
            cells.append(f"{gain['median']:+.1f} % ({gain['low']:+.1f} to {gain['high']:+.1f})")
        cells += [f"{result['off_spread_percent']:.0f} %", result["verdict"]]
        rows.append(f"| `{result['setting']}` | {key['off']} | {key['on']} | {' | '.join(cells)} |")
    return "\n".join(rows)


def test():
    def runs(on_rate, on_p99, noise):
        one = lambda is_on, index: {
            "on": is_on,
            "messages_per_s": (on_rate if is_on else 100.0) + noise * (index % 3 - 1),
            "p99_ms": on_p99 if is_on else 10.0,
        }
        return [one(is_on, index) for index, is_on in enumerate(order(5))]

    assert order(3) == [False, True, True, False, False, True]
    assert summary(runs(100, 10, 0))["verdict"] == NO_EFFECT
    assert summary(runs(102, 9.5, 0.1))["verdict"] == NO_EFFECT, "certain, but too small"
    assert summary(runs(105, 10, 0.1))["verdict"] == "throughput better"
    assert summary(runs(95, 8, 0.1))["verdict"] == "throughput worse, p99 better"
    noisy = summary(runs(104, 10, 40))
    assert noisy["verdict"] == NO_EFFECT, "the interval holds 0"
    assert noisy == summary(runs(104, 10, 40)), "the same figures, the same interval"
    assert noisy["off_spread_percent"] == 80.0
    assert noisy["throughput_gain_percent"]["low"] <= noisy["throughput_gain_percent"]["median"]
    print("effect: ok")


if __name__ == "__main__":
    test()
