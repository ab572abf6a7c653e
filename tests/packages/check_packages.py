#!/usr/bin/env python3
"""The Debian packages: built, linted, compiled against, installed, upgraded under a live VM, removed, purged.

usage: check_packages.py SOURCE_DIR BINARY_DIR [unittest arguments]

The second half runs in a root of its own that boots systemd (boot-root); it needs root.
SEAWARD_PACKAGES_BUILT: do not build, take what lies in build/packages.
"""
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest

SOURCE = pathlib.Path(sys.argv.pop(1)).resolve()
BINARY = pathlib.Path(sys.argv.pop(1)).resolve()
HERE = SOURCE / "tests/packages"
PACKAGES = SOURCE / "build/packages"
TRIPLETS = {"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}
NATIVE = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True).stdout.strip()
NAMES = {"seaward-notifier", "seawardctl", "seaward-preload", "libseaward-vmm1", "libseaward-vmm-dev",
         "seaward-publish", "seaward-chaos", "seaward-agent"}
UNITS = ("seaward-notifier.service", "seaward-agent.service")
MOST_EXPOSED = {
    "seaward-notifier.service": 2.5,
    "seaward-agent.service": 2.0,
    "seaward-nextboot.service": 2.5,
}
SKIPPED = 77
VM = "00000000-0000-0000-0000-00000000abcd"
# Other builds may be at work on this machine.
PATIENCE_S = 120


def run(*command, **more):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False,
                          timeout=3600, **more)


def succeed(*command, **more):
    done = run(*command, **more)
    if done.returncode != 0:
        raise AssertionError(f"{command}: {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
    return done.stdout


def debs(arch):
    """{package: file}, without those of debugging symbols."""
    found = {path.name.split("_")[0]: path for path in PACKAGES.glob(f"*_{arch}.deb")}
    return {name: path for name, path in found.items() if not name.endswith("-dbgsym")}


def field(deb, name):
    return succeed("dpkg-deb", "--field", deb, name).strip()


def setUpModule():
    if os.environ.get("SEAWARD_PACKAGES_BUILT"):
        return
    for arch in TRIPLETS:
        succeed(SOURCE / "packaging/build-packages", arch, os.cpu_count())


class Packages(unittest.TestCase):
    maxDiff = None

    def test_all_are_there_for_both_architectures(self):
        for arch in TRIPLETS:
            self.assertEqual(NAMES, set(debs(arch)), arch)
            for name, deb in debs(arch).items():
                self.assertEqual(arch, field(deb, "Architecture"), name)

    def test_version_is_that_of_the_program(self):
        version = re.search(r"^project\(seaward VERSION ([\d.]+)", (SOURCE / "CMakeLists.txt").read_text(), re.M)[1]
        for arch in TRIPLETS:
            self.assertEqual({version}, {field(deb, "Version") for deb in debs(arch).values()})

    def test_lintian_has_nothing_to_say(self):
        for arch in TRIPLETS:
            for changes in PACKAGES.glob(f"seaward_*_{arch}.changes"):
                done = run("lintian", "--allow-root", "--fail-on", "error,warning", "--tag-display-limit", "0",
                           changes)
                self.assertEqual((0, ""), (done.returncode, done.stdout), done.stderr)

    def test_every_override_says_why(self):
        for path in (SOURCE / "packaging/debian").glob("*.lintian-overrides"):
            for before, line in zip([""] + path.read_text().splitlines(), path.read_text().splitlines()):
                if line and not line.startswith("#"):
                    self.assertTrue(before.startswith("#"), f"{path.name}: {line}")

    def test_libraries_and_the_agent_need_libc_alone(self):
        for arch in TRIPLETS:
            for name in ("libseaward-vmm1", "seaward-preload"):
                depends = re.sub(r" \([^)]*\)", "", field(debs(arch)[name], "Depends"))
                self.assertEqual({"libc6"}, set(depends.split(", ")) - {"libgcc-s1"}, (arch, name))
            self.assertEqual("", field(debs(arch)["seaward-agent"], "Depends"), arch)

    def test_bookworm_has_what_they_depend_on(self):
        for arch in TRIPLETS:
            files = [f"./{path.name}" for path in debs(arch).values()]
            shown = succeed(HERE / "resolve", arch, *files, cwd=PACKAGES)
            self.assertEqual(NAMES, set(re.findall(r"^Inst (\S*seaward\S*?)(?::\w+)? ", shown, re.M)), arch)

    def test_a_c_program_compiles_against_the_development_package(self):
        for arch, triplet in TRIPLETS.items():
            with tempfile.TemporaryDirectory() as folder:
                for name in ("libseaward-vmm1", "libseaward-vmm-dev"):
                    succeed("dpkg-deb", "--extract", debs(arch)[name], folder)
                environment = {**os.environ, "PKG_CONFIG_SYSROOT_DIR": folder,
                               "PKG_CONFIG_LIBDIR": f"{folder}/usr/lib/{triplet}/pkgconfig"}
                compiler = ["gcc"] if arch == NATIVE else [
                    f"{triplet}-gcc", f"--sysroot={succeed(SOURCE / 'tests/images/make-sysroot').strip()}"]
                for static in ([], ["--static"]):
                    flags = succeed("pkg-config", *static, "--cflags", "--libs", "seaward-vmm",
                                    env=environment).split()
                    program = f"{folder}/vmm{len(static)}"
                    succeed(*compiler, "-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic",
                            *(["-static"] if static else []), "-o", program, HERE / "vmm.c", *flags)
                    if arch == NATIVE:
                        shown = succeed(program, env={**os.environ, "LD_LIBRARY_PATH": f"{folder}/usr/lib/{triplet}"})
                        self.assertEqual("published 0\n", shown)


def raised(deb, folder):
    """The same package as a higher version."""
    tree = f"{folder}/tree"
    succeed("dpkg-deb", "--raw-extract", deb, tree)
    control = pathlib.Path(tree) / "DEBIAN/control"
    version = field(deb, "Version")
    control.write_text(control.read_text().replace(version, f"{version}+next"))
    out = f"{folder}/{deb.name.replace(version, version + '+next')}"
    succeed("dpkg-deb", "--root-owner-group", "-Znone", "--build", tree, out)
    succeed("rm", "-rf", tree)
    return out


@unittest.skipUnless(os.geteuid() == 0, "needs root")
class Root(unittest.TestCase):
    """One story in one root: every test stands on the one before."""
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.root = pathlib.Path(cls.folder.name) / "root"
        cls.root.mkdir()
        tar = pathlib.Path(succeed(SOURCE / "tests/images/make-package-root").strip()) / "root.tar"
        succeed("tar", "-xf", tar, "-C", cls.root, "--exclude=./dev/*")
        cls.root.chmod(0o755)
        (cls.root / "debs").mkdir()
        cls.holder = subprocess.Popen([HERE / "boot-root", cls.root], stdout=subprocess.PIPE, text=True)
        cls.addClassCleanup(cls.end)
        cls.first = cls.holder.stdout.readline().strip()
        cls.wait_for("systemd", lambda: cls.enter("systemctl", "is-system-running").stdout.strip()
                     in ("running", "degraded"))

    @classmethod
    def end(cls):
        cls.holder.send_signal(signal.SIGTERM)
        cls.holder.wait(timeout=60)
        cls.holder.stdout.close()

    @classmethod
    def wait_for(cls, what, true):
        end = time.monotonic() + PATIENCE_S
        while not true():
            if time.monotonic() > end:
                raise AssertionError(f"{what} did not come\n" + cls.enter(
                    "journalctl", "--no-pager", "-n", "60").stdout)
            time.sleep(0.2)

    @classmethod
    def within(cls, *command):
        return ["nsenter", "-t", cls.first, "--mount", "--pid", "--ipc", "--uts", "--net", "--cgroup", "--root",
                "--wd=/", "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8",
                "DEBIAN_FRONTEND=noninteractive", *map(str, command)]

    @classmethod
    def enter(cls, *command):
        return run(*cls.within(*command))

    def must(self, *command):
        return succeed(*self.within(*command))

    def install(self, files):
        for file in files:
            succeed("cp", file, self.root / "debs")
        self.must("dpkg", "--install", *(f"/debs/{pathlib.Path(file).name}" for file in files))
        succeed("find", self.root / "debs", "-type", "f", "-delete")

    def property(self, name, unit=UNITS[0]):
        return self.must("systemctl", "show", "--value", "--property", name, unit).strip()

    def ledger(self, statement):
        return self.must("sqlite3", "/var/lib/seaward/ledger.db", statement).strip()

    def status(self):
        return json.loads(self.must("seawardctl", "status", "--json"))["vms"]

    def retired(self):
        return (pathlib.Path("/proc") / self.first / "root/sys/devices/system/memory/hard_offline_page").read_text()

    def test_1_install(self):
        self.install(debs(NATIVE).values())
        for unit in UNITS:
            self.assertEqual("enabled", self.must("systemctl", "is-enabled", unit).strip())
            self.wait_for(unit, lambda unit=unit: self.property("ActiveState", unit) == "active")
        self.assertEqual([], self.status())

    def test_2_the_units_are_hardened(self):
        for unit in MOST_EXPOSED:
            # As the file says, and as the running manager made of it.
            for offline, name in (("yes", f"/lib/systemd/system/{unit}"), ("no", unit)):
                shown = self.must("systemd-analyze", "--no-pager", "security", f"--offline={offline}", name)
                exposure = float(re.search(r"exposure level for \S+: ([\d.]+)", shown)[1])
                print(f"{unit}: offline={offline} exposure={exposure}")
                self.assertLessEqual(exposure, MOST_EXPOSED[unit], shown)

    def test_3_the_notifier_does_all_its_work_in_its_unit(self):
        config = self.root / "etc/seaward/notifier.yaml"
        config.write_text(config.read_text().replace("uri: qemu:///system", "uri: none")
                          .replace("listen: none", "listen: 127.0.0.1:9647").replace(
            "\nstatic_vms: []", f"\nstatic_vms:\n  - name: web\n    uuid: {VM}\n    channel: /run/web.sock"))
        self.must("mkdir", "-p", "/etc/systemd/system/seaward-notifier.service.d")
        self.must("cp", "/usr/share/seaward/seaward-notifier-metrics.conf",
                  "/etc/systemd/system/seaward-notifier.service.d/metrics.conf")
        self.must("systemctl", "daemon-reload")
        self.must("systemctl", "restart", UNITS[0])
        self.test_2_the_units_are_hardened()
        self.must("seaward-publish", "--vm", VM, "--gpa", "0x48048000", "--backed")
        self.assertEqual("1", self.ledger("select count(*) from event"))
        # The VM has ended: its page frame, which only CAP_SYS_ADMIN learns, was written.
        self.wait_for("retirement in the host", lambda: re.match(r"0x[0-9a-f]+", self.retired()))
        shown = self.must("bash", "-c", r"exec 3<>/dev/tcp/127.0.0.1/9647; "
                          r"printf 'GET /metrics HTTP/1.0\r\n\r\n' >&3; cat <&3")
        self.assertIn("seaward_", shown)
        self.must("rm", "-r", "/etc/systemd/system/seaward-notifier.service.d")
        config.write_text(config.read_text().replace("listen: 127.0.0.1:9647", "listen: none"))
        self.must("systemctl", "daemon-reload")
        self.must("systemctl", "restart", UNITS[0])

    def test_4_upgrade_with_a_live_ledger(self):
        self.must("systemd-run", "--unit=vmm", "seaward-publish", "--vm", VM, "--gpa", "0x48049000", "--backed",
                  "--stay")
        self.wait_for("the page", lambda: len(self.status()[0]["pages"]) == 1)
        before = self.ledger("select * from page order by 1"), self.property("MainPID")
        with tempfile.TemporaryDirectory() as folder:
            self.install([raised(deb, folder) for deb in debs(NATIVE).values()])
        self.assertRegex(self.must("dpkg-query", "-W", "-f", "${Version}", "seaward-notifier"), r"\+next$")
        self.wait_for("the VMM at the new notifier", lambda: self.status()[0]["attached"])
        self.assertNotEqual(before[1], self.property("MainPID"))
        self.assertEqual(before[0], self.ledger("select * from page order by 1"))
        self.assertEqual("ok", self.ledger("pragma integrity_check"))
        self.assertIn(VM, (self.root / "etc/seaward/notifier.yaml").read_text())
        self.must("systemctl", "stop", "vmm")
        self.wait_for("the end of the VM", lambda: not self.status()[0]["running"])

    def test_5_remove_keeps_ledger_and_configuration(self):
        rows = self.ledger("select count(*) from page")
        (self.root / "var/lib/seaward/journal").touch()
        self.must("dpkg", "--remove", *NAMES)
        self.assertEqual("ok", self.ledger("pragma integrity_check"))
        self.assertEqual(rows, self.ledger("select count(*) from page"))
        for kept in ("etc/seaward/notifier.yaml", "etc/seaward/agent.yaml", "var/lib/seaward/journal"):
            self.assertTrue((self.root / kept).exists(), kept)
        self.assertNotIn("seaward-", self.must("bash", "-c", "cat /proc/[0-9]*/comm"))
        self.assertFalse((self.root / "usr/sbin/seaward-notifier").exists())

    def test_6_purge_leaves_nothing(self):
        self.must("dpkg", "--purge", "seaward-notifier")
        self.assertEqual(["journal"], os.listdir(self.root / "var/lib/seaward"), "the agent's is not the notifier's")
        self.must("dpkg", "--purge", *NAMES)
        left = self.must("find", "/", "-xdev", "-name", "*seaward*", "-not", "-path", "/proc/*").split()
        self.assertEqual([], left)
        self.assertEqual("", self.must("find", "/run", "-name", "*seaward*"))


if __name__ == "__main__":
    passed = unittest.main(exit=False).result.wasSuccessful()
    if passed and os.geteuid() != 0:
        print("SEAWARD-SKIP: installing packages in a root of their own needs root")
        sys.exit(SKIPPED)
    sys.exit(0 if passed else 1)
