#!/usr/bin/env python3
"""What is shipped in configs/libvirt: the emulator wrapper at work, and the syntax of the LSM snippets;
rasdaemon's trigger in configs/rasdaemon.

usage: check_configs.py SOURCE_DIR BINARY_DIR [unittest arguments]
"""
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(sys.argv.pop(1)) / "configs/libvirt"
WRAPPER = pathlib.Path(sys.argv.pop(1)) / "libexec/seaward-qemu"
ENVIRONMENT = {**os.environ, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}


def run(*command, **environment):
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False,
                          env={**ENVIRONMENT, **environment})


class Folder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)


class Wrapper(Folder):
    def setUp(self):
        super().setUp()
        # Not an object at all: the loader says so on stderr and goes on, in the child only.
        self.preload = self.folder / "interposer.so"
        self.preload.touch()
        self.qemu = self.folder / "qemu"
        self.qemu.write_text('#!/bin/sh\nprintf "%s\\n" "$LD_PRELOAD" "$@"\n')
        self.qemu.chmod(0o755)

    def start(self, *arguments, **environment):
        return run(str(WRAPPER), *arguments, SEAWARD_QEMU=str(self.qemu),
                   **{"SEAWARD_PRELOAD": str(self.preload), **environment})

    def test_starts_qemu_with_the_interposer_and_every_argument_as_it_is(self):
        done = self.start("-M", "virt, a b", "", "$(x)*")
        self.assertEqual((done.returncode, done.stdout),
                         (0, f"{self.preload}\n-M\nvirt, a b\n\n$(x)*\n"))

    def test_keeps_what_else_is_preloaded(self):
        done = self.start(LD_PRELOAD="/other.so")
        self.assertEqual(done.stdout, f"{self.preload}:/other.so\n")

    def test_starts_qemu_also_without_the_interposer_and_says_so(self):
        done = self.start("-version", SEAWARD_PRELOAD="/nonexistent.so")
        self.assertEqual((done.returncode, done.stdout), (0, "\n-version\n"))
        self.assertIn("/nonexistent.so is missing", done.stderr)

    def test_hands_on_how_qemu_ended(self):
        self.qemu.write_text("#!/bin/sh\nexit 7\n")
        self.assertEqual(self.start().returncode, 7)


class RasdaemonTrigger(Folder):
    """With the variables that rasdaemon 0.8 sets, and with those of no rasdaemon."""
    def setUp(self):
        super().setUp()
        self.ctl = self.folder / "seawardctl"
        self.ctl_ends_with(0)

    def ctl_ends_with(self, status):
        self.ctl.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@"\nexit {status}\n')
        self.ctl.chmod(0o755)

    def trigger(self, **variables):
        return subprocess.run(
            [str(SOURCE.parent / "rasdaemon/seaward-mem-fail")], capture_output=True, text=True,
            timeout=60, check=False,
            env={"PATH": "/usr/bin:/bin", "SEAWARDCTL": str(self.ctl), **variables})

    def test_reports_the_frame(self):
        done = self.trigger(TIMESTAMP="2026-01-01 00:00:00 +0000", PFN="0x8c3f2",
                            PAGE_TYPE="dirty LRU page", ACTION_RESULT="Recovered")
        self.assertEqual((done.returncode, done.stdout),
                         (0, "report\n--host-pfn\n0x8c3f2\n--evidence\nlatent\n"))

    def test_a_frame_of_no_vm_is_no_failure_and_a_missing_notifier_is(self):
        for status, ends_with in ((1, 0), (3, 3), (127, 127)):
            self.ctl_ends_with(status)
            self.assertEqual(self.trigger(PFN="0x8c3f2").returncode, ends_with)

    def test_anything_else_than_a_frame_is_refused_and_not_passed_on(self):
        for wrong in ({}, {"PFN": ""}, {"PFN": "0x"}, {"PFN": "4711"}, {"PFN": "0x1;reboot"},
                      {"PFN": "0x1 --vm x"}, {"PFN": "-1"}):
            done = self.trigger(**wrong)
            self.assertEqual((done.returncode, done.stdout), (2, ""), wrong)
            self.assertIn("want 0x", done.stderr)


class Snippets(Folder):
    def parse_profile(self, rules):
        profile = self.folder / "profile"
        profile.write_text("abi <abi/3.0>,\ninclude <tunables/global>\n"
                           f"profile seaward_check {{\n{rules}\n}}\n")
        return run("apparmor_parser", "--skip-kernel-load", "--skip-cache", str(profile))

    def test_apparmor_rules_parse(self):
        rules = (SOURCE / "apparmor-libvirt-qemu").read_text()
        done = self.parse_profile(rules)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotEqual(self.parse_profile(rules + "\n  /no comma rw").returncode, 0)

    def build_module(self, policy):
        (self.folder / "seaward.te").write_text(policy)
        return run("checkmodule", "-M", "-m", "-o", str(self.folder / "seaward.mod"),
                   str(self.folder / "seaward.te"))

    def test_selinux_module_builds_and_packs(self):
        policy = (SOURCE / "seaward.te").read_text()
        self.assertNotEqual(self.build_module(policy + "allow svirt_t nobody_t:file read;\n").returncode,
                            0)
        done = self.build_module(policy)
        self.assertEqual(done.returncode, 0, done.stderr + done.stdout)
        packed = run("semodule_package", "-o", str(self.folder / "seaward.pp"), "-m",
                     str(self.folder / "seaward.mod"), "-f", str(SOURCE / "seaward.fc"))
        self.assertEqual(packed.returncode, 0, packed.stderr)

    def test_say_that_they_are_untested(self):
        for name in ("apparmor-libvirt-qemu", "seaward.te"):
            self.assertIn("UNTESTED", (SOURCE / name).read_text())


if __name__ == "__main__":
    unittest.main()
