#!/usr/bin/env python3
"""derive-report on a small made-up run: every key comes from the raw file that it should come from,
the result fits docs/schemas/demo-report.schema.json, and a run without exits fails."""
import json
import sqlite3
import subprocess
import tempfile
import unittest
from pathlib import Path

import jsonschema

TREE = Path(__file__).resolve().parents[3]
SCHEMA = json.loads((TREE / "docs/schemas/demo-report.schema.json").read_text())
ABORT = ("  CPU 0/KVM-233 [001] ..... {at}: sea: (kvm_handle_guest_sea+0x0/0x1a0) esr=0x9200008f "
         "far=0xffff9464e018 hpfar=0x8000000000480480\n")
EXIT = "  CPU 0/KVM-233 [001] ..... {at}: kvm_userspace_exit: reason KVM_EXIT_ARM_SEA (41)\n"
TABLES = """
CREATE TABLE vm(uuid TEXT, name TEXT);
CREATE TABLE incarnation(id TEXT, vm TEXT);
CREATE TABLE page(id INTEGER, incarnation TEXT, gpa INTEGER, outcome TEXT, host_retired TEXT,
                  exposure_ns INTEGER);
CREATE TABLE event(id INTEGER, incarnation TEXT, source TEXT, flags INTEGER, esr INTEGER,
                   raw_gpa INTEGER, count INTEGER);
CREATE TABLE verdict(page INTEGER, boots INTEGER, boot TEXT, outcome TEXT, stage TEXT);
INSERT INTO vm VALUES('u1', 'guarded'), ('u2', 'control');
INSERT INTO incarnation VALUES('i1', 'u1'), ('i2', 'u2');
INSERT INTO page VALUES(1, 'i1', 0x48048000, 'retired', 'yes', 1500000),
                       (2, 'i2', 0x48048000, NULL, 'pending', NULL);
INSERT INTO event VALUES(1, 'i1', 'exit', 1, 0x92000010, 0x48048000, 1),
                        (2, 'i2', 'exit', 1, 0x92000010, 0x48048000, 2);
INSERT INTO verdict VALUES(1, 1, 'b1', 'retired', 'run'), (1, 2, 'b2', 'retired', 'early');
"""


def guest(name, command, **reply):
    return {"what": "guest", "name": name, "command": command, "arguments": {}, "reply": reply}


TRANSCRIPT = [
    {"what": "host", "kernel": "7.3.4-cloud-arm64"},
    {"what": "choice", "frame": "0x48048000", "seed": 5, "free_frames": 100, "candidates": 60},
    guest("guarded", "status", boot_id="b1", kernel="7.3.4-cloud-arm64"),
    guest("guarded", "read", text="core\n"),
    guest("guarded", "victim_touch", touch="died", signal=7),
    guest("guarded", "status", boot_id="b1", kernel="7.3.4-cloud-arm64"),
    {"what": "boot_again", "aborts_before": 1},
    guest("guarded", "status", boot_id="b2", kernel="7.3.4-cloud-arm64"),
    {"what": "poison_tool", "order": "heal 0x48048000", "at_s": 9},
    guest("control", "victim_touch", touch="died", signal=7),
    guest("control", "hog", error="gone"),
    {"what": "downfall", "outcome": "boot_loop", "panics": 2},
]


class DeriveReport(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="seaward-report-")
        self.addCleanup(self.folder.cleanup)
        self.at = Path(self.folder.name)
        self.write("trace.raw", "".join((ABORT + EXIT).format(at=f"{t}.5") for t in (10, 20, 21)))
        self.write("guest-console.log", "Kernel panic - not syncing: x\n" * 2)
        self.write("transcript.jsonl", "".join(json.dumps(e) + "\n" for e in TRANSCRIPT))
        self.ledger("")

    def write(self, name, text):
        (self.at / name).write_text(text)

    def ledger(self, more):
        (self.at / "ledger.db").unlink(missing_ok=True)
        database = sqlite3.connect(self.at / "ledger.db")
        database.executescript(TABLES + more)
        database.close()

    def derive(self):
        run = subprocess.run([TREE / "tests/lab/derive-report", self.at], capture_output=True,
                             text=True, check=False)
        report = self.at / "report.json"
        return run, json.loads(report.read_text()) if report.exists() else None

    def test_every_key_comes_from_its_file(self):
        run, report = self.derive()
        self.assertEqual(run.returncode, 0, run.stderr)
        jsonschema.validate(report, SCHEMA)
        wanted = {"exit_source": "kernel", "exits_seen": 3, "exits_observed": 3,
                  "exits_to_userspace": 3, "exit_flags": 1, "exit_esr": "0x92000010",
                  "exit_gpa": "0x48048000", "verdict": "retired", "host_retired": "yes",
                  "exposure_us": 1500, "victim_signal": 7, "guest_kernel_alive": True,
                  "core_pattern": "core", "retired_before_init_after_reboot": True,
                  "exits_after_reboot_from_retired_page": 0, "control_outcome": "boot_loop",
                  "control_panics": 2, "control_victim_signal": 7}
        self.assertEqual({key: report[key] for key in wanted}, wanted)

    def test_no_exit_is_no_demonstration(self):
        self.write("trace.raw", "")
        run, report = self.derive()
        self.assertEqual(run.returncode, 1)
        self.assertEqual(report["exit_source"], "none")

    def test_counts_that_differ_fail(self):
        self.ledger("UPDATE event SET count = 2 WHERE id = 1;")
        run, _ = self.derive()
        self.assertEqual(run.returncode, 1)
        self.assertIn("count differently", run.stderr)

    def test_a_boot_without_an_early_verdict_shows(self):
        self.ledger("DELETE FROM verdict WHERE stage = 'early';")
        _, report = self.derive()
        self.assertFalse(report["retired_before_init_after_reboot"])

    def test_a_missing_file_is_an_error(self):
        (self.at / "ledger.db").unlink()
        run, _ = self.derive()
        self.assertEqual(run.returncode, 2)


if __name__ == "__main__":
    unittest.main()
