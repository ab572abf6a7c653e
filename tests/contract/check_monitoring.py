#!/usr/bin/env python3
"""What is shipped for those who watch: alert rules and dashboard use no metric that docs/METRICS.md does not
have, and each alert fires when it should (promtool; tests/support/fetch-promtool).

usage: check_monitoring.py SOURCE_DIR [unittest arguments]
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(sys.argv.pop(1))
RULES = SOURCE / "configs/prometheus/seaward.rules.yaml"
RULES_TEST = SOURCE / "tests/contract/seaward.rules_test.yaml"
DASHBOARD = SOURCE / "configs/grafana/seaward.json"
CACHE = pathlib.Path(os.environ.get("SEAWARD_CACHE", pathlib.Path.home() / ".cache/seaward"))
PROMTOOL = os.environ.get("SEAWARD_PROMTOOL", str(CACHE / "promtool"))


def documented():
    """Names as they are scraped, with their labels."""
    names = {}
    for name, kind, labels in re.findall(r"^\| `(seaward_\w+)` \| (\w+) \|([^|]*)\|",
                                         (SOURCE / "docs/METRICS.md").read_text(), re.M):
        of_this = set(re.findall(r"\w+", labels)) | {"instance", "job"}
        for suffix in ("_bucket", "_sum", "_count") if kind == "histogram" else ("",):
            names[name + suffix] = of_this | ({"le"} if suffix == "_bucket" else set())
    return names


def expressions(node):
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("expr", "query") and isinstance(value, str):
                yield value
            else:
                yield from expressions(value)
    elif isinstance(node, list):
        for value in node:
            yield from expressions(value)


class Names(unittest.TestCase):
    def check(self, expression):
        for name, selector in re.findall(r"\b(seaward_\w+)(?:\{([^}]*)\})?", expression):
            self.assertIn(name, documented(), expression)
            for label in re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector):
                self.assertIn(label, documented()[name], expression)

    def test_alerts_use_what_is_documented(self):
        found = re.findall(r"expr: (.+)", RULES.read_text())
        self.assertGreater(len(found), 10)
        for expression in found:
            self.check(expression)

    def test_the_dashboard_uses_what_is_documented(self):
        found = list(expressions(json.loads(DASHBOARD.read_text())))
        self.assertGreater(len(found), 20)
        for expression in found:
            self.check(expression)

    def test_an_unknown_metric_would_be_found(self):
        with self.assertRaises(AssertionError):
            self.check("rate(seaward_no_such_total[5m])")
        with self.assertRaises(AssertionError):
            self.check('seaward_sessions{vm="a"}')


class Dashboard(unittest.TestCase):
    def test_every_metric_is_on_it(self):
        shown = " ".join(expressions(json.loads(DASHBOARD.read_text())))
        for name in documented():
            self.assertIn(re.sub(r"_(sum|count)$", "_bucket", name), shown)

    def test_panels_stand_beside_each_other(self):
        panels = json.loads(DASHBOARD.read_text())["panels"]
        self.assertEqual(len({panel["id"] for panel in panels}), len(panels))
        taken = set()
        for panel in panels:
            place = panel["gridPos"]
            self.assertLessEqual(place["x"] + place["w"], 24, panel["title"])
            cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                     for y in range(place["y"], place["y"] + place["h"])}
            self.assertFalse(taken & cells, panel["title"])
            taken |= cells
            self.assertTrue(panel["description"] and panel["fieldConfig"]["defaults"]["unit"])


class Alerts(unittest.TestCase):
    def test_each_says_what_and_how_bad_and_has_its_moment_in_the_test(self):
        text = RULES.read_text()
        names = re.findall(r"- alert: (\w+)", text)
        for word in ("severity: ", "summary: ", "description: "):
            self.assertEqual(text.count(word), len(names), word)
        self.assertEqual(set(names), set(re.findall(r'alertname="(\w+)"', RULES_TEST.read_text())))

    @unittest.skipUnless(os.access(PROMTOOL, os.X_OK), "no promtool")
    def test_each_fires_when_it_should(self):
        with tempfile.TemporaryDirectory() as folder:
            for file in (RULES, RULES_TEST):
                shutil.copy(file, folder)
            done = subprocess.run([PROMTOOL, "test", "rules", f"{folder}/{RULES_TEST.name}"],
                                  capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
