#!/usr/bin/env python3
"""Compares the manual pages and the bash completions with what the programs say of themselves.

usage: check_commands.py SOURCE_DIR BINARY_DIR [unittest arguments]
"""
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(sys.argv.pop(1)).resolve()
BINARY = pathlib.Path(sys.argv.pop(1)).resolve() / "bin"
PAGES = {"seawardctl": "seawardctl.1", "seaward-notifier": "seaward-notifier.8",
         "seaward-agent": "seaward-agent.8", "seaward-publish": "seaward-publish.1",
         "seaward-chaos": "seaward-chaos.1"}
FOLDER = SOURCE / "docs/man"


def run(*command, stdin=""):
    return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60, check=False)


def help_of(program, *subcommand):
    done = run(BINARY / program, *subcommand, "--help")
    if done.returncode != 0:
        raise AssertionError(f"{program} {subcommand}: {done.stderr}")
    return done.stdout


def options_of(program, *subcommand):
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", help_of(program, *subcommand))) | {"--help"}


def subcommands_of(program, *subcommand):
    text = help_of(program, *subcommand)
    if program == "seaward-agent":
        return set(re.findall(r"^  ([a-z][a-z-]*) ", text, re.M))
    listed = text.split("Subcommands:")
    return set(re.findall(r"^  ([\w-]+) ", listed[1], re.M)) if len(listed) > 1 else set()


def all_commands():
    """[(program, subcommand, ...)] of every program, with and without options of its own."""
    found = []
    for program in PAGES:
        found.append((program,))
        for name in sorted(subcommands_of(program)) if program == "seawardctl" else []:
            found.append((program, name))
            found += [(program, name, deeper) for deeper in sorted(subcommands_of(program, name))]
    return found


def options_in(source):
    return {f"-{name}" for item in re.findall(r"^\.It (.*)", source, re.M)
            for name in re.findall(r"(?:Fl|,) (-[a-z][a-z-]*)", item)}


def section_of(program, *subcommand):
    """The mdoc source of a page, or of the subsection of one subcommand ("domain check VM")."""
    text = (FOLDER / PAGES[program]).read_text()
    if not subcommand:
        return text.split(".Sh COMMANDS")[0]
    for part in re.split(r"^\.Ss ", text.split(".Sh COMMANDS")[1].split("\n.Sh ")[0], flags=re.M)[1:]:
        title, body = part.split("\n", 1)
        if [word for word in title.split() if word not in ("VM", "file")] == list(subcommand):
            return body
    raise AssertionError(f"{PAGES[program]} has no subsection for '{' '.join(subcommand)}'")


class Pages(unittest.TestCase):
    maxDiff = None

    def test_every_option_stands_in_its_page_and_no_other(self):
        for program, *subcommand in all_commands():
            with self.subTest(" ".join((program, *subcommand))):
                if subcommands_of(program, *subcommand) and subcommand:
                    continue  # "domain" itself has nothing but its commands
                options = options_of(program, *subcommand)
                shown = options_in(section_of(program, *subcommand))
                self.assertEqual(options, shown | ({"--help"} if subcommand else set()))

    def test_every_command_of_the_agent_stands_in_its_page(self):
        listed = set(re.findall(r"^\.It Cm ([\w-]+)", section_of("seaward-agent"), re.M))
        self.assertEqual(subcommands_of("seaward-agent"), listed)

    def test_every_key_stands_in_its_page_with_its_default(self):
        dump = json.loads(run(BINARY / "contract_dump").stdout)
        for file, keys in dump["keys"].items():
            items = dict(re.findall(r"^\.It Ic (\S+)\n(.*?)(?=^\.It |^\.El|\Z)",
                                    (FOLDER / f"{file}.5").read_text(), re.M | re.S))
            self.assertEqual({key["path"] for key in keys}, set(items), file)
            for key in keys:
                with self.subTest(f"{file}: {key['path']}"):
                    self.assertRegex(items[key["path"]], rf"(?<![\w/]){re.escape(key['default'])}(?![\w/])")

    def test_every_variable_stands_in_a_page(self):
        contract = (SOURCE / "docs/CONTRACT.md").read_text()
        table = contract.split("## Environment\n\n")[1].split("\n\n")[0]
        names = {name for row in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])}
        self.assertGreaterEqual(len(names), 10)
        pages = "\n".join(page.read_text() for page in FOLDER.glob("*.[1-8]"))
        shown = {name for line in re.findall(r"^\.(?:It )?Ev (.*)", pages, re.M) for name in line.split(" , ")}
        self.assertEqual(set(), names - shown)

    def test_every_function_of_the_library_stands_in_its_page(self):
        symbols = set(re.findall(r"^symbol (\w+)@@", (SOURCE / "host-notifier/vmm/abi.txt").read_text(), re.M))
        page = (FOLDER / "libseaward-vmm.3").read_text()
        self.assertEqual(symbols, set(re.findall(r"^\.Nm (seaward_\w+)", page, re.M)))
        self.assertEqual(symbols, set(re.findall(r"^\.Fn (seaward_\w+) \"", page, re.M)))

    def test_every_page_is_clean(self):
        for page in sorted(FOLDER.glob("*.[1-8]")):
            with self.subTest(page.name):
                done = run("mandoc", "-T", "lint", "-W", "warning", page)
                self.assertEqual((done.returncode, done.stdout), (0, ""))
                done = run("groff", "-mandoc", "-Tutf8", "-ww", "-z", page)
                self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_every_page_that_another_names_is_there(self):
        there = {tuple(page.name.rsplit(".", 1)) for page in FOLDER.glob("*.[1-8]")}
        for page in FOLDER.glob("*.[1-8]"):
            for name, section in re.findall(r"^\.Xr (\S+) (\d)", page.read_text(), re.M):
                if "seaward" in name or name.endswith(".yaml"):
                    self.assertIn((name, section), there, page.name)


class Completion(unittest.TestCase):
    maxDiff = None

    def complete(self, *words, folder="/", bin_folder=BINARY):
        """What bash offers for the last word. -o filenames and the like are compopt's, which works
        only under readline: here it does nothing."""
        program = words[0]
        script = "\n".join([
            "set -eu", "compopt() { :; }",
            f"source {shlex.quote(str(SOURCE / 'configs/bash-completion' / program))}",
            f"COMP_WORDS=({' '.join(map(shlex.quote, words))})",
            f"COMP_CWORD={len(words) - 1}",
            f"function=$(complete -p {program} | sed 's/.*-F \\([^ ]*\\) .*/\\1/')",
            "COMPREPLY=()", '"$function" || true',
            r'printf "%s\n" ${COMPREPLY[@]+"${COMPREPLY[@]}"}'])
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60, cwd=folder,
                              check=False, env={**os.environ, "PATH": f"{bin_folder}:{os.environ['PATH']}"})
        self.assertEqual((done.returncode, done.stderr), (0, ""), words)
        return set(done.stdout.split())

    def test_every_option_and_command_is_offered_and_no_other(self):
        for program, *subcommand in all_commands():
            with self.subTest(" ".join((program, *subcommand))):
                offered = self.complete(program, *subcommand, "--")
                expected = options_of(program, *subcommand)
                self.assertEqual(expected, offered)
                commands = subcommands_of(program, *subcommand)
                if commands:
                    offered = {word for word in self.complete(program, *subcommand, "") if word[0] != "-"}
                    self.assertEqual(commands, offered)

    def test_no_argument_is_taken_for_an_option(self):
        for program, *subcommand in all_commands():
            for option in options_of(program, *subcommand):
                takes = re.search(rf"{option} (?:[A-Z]|0x)", help_of(program, *subcommand))
                offered = self.complete(program, *subcommand, option, "--")
                with self.subTest(f"{program} {subcommand} {option}"):
                    if takes:
                        self.assertEqual(set(), offered)
                    else:
                        self.assertIn("--help", offered)

    def test_completes_files(self):
        with tempfile.TemporaryDirectory() as folder:
            (pathlib.Path(folder) / "ledger.jsonl").touch()
            for words in (("seawardctl", "import"), ("seawardctl", "export", "--output"), ("seawardctl", "--socket"),
                          ("seaward-notifier", "--config"), ("seaward-agent", "run", "--config"),
                          ("seaward-publish", "--socket"), ("seaward-chaos", "--scenario"),
                          ("seaward-chaos", "--report")):
                self.assertEqual({"ledger.jsonl"}, self.complete(*words, "led", folder=folder), words)

    def test_completes_the_vms_that_the_notifier_knows(self):
        with tempfile.TemporaryDirectory() as folder:
            ctl = pathlib.Path(folder) / "seawardctl"
            ctl.write_text('#!/bin/sh\n[ "$*" = "--socket /s status --json" ] && '
                           f"cat {shlex.quote(folder)}/status\n")
            ctl.chmod(0o755)
            dump = json.loads(run(BINARY / "contract_dump").stdout)
            sample = json.loads(dump["samples"]["status"][0])
            (pathlib.Path(folder) / "status").write_text(dump["samples"]["status"][0] + "\n")
            names = {vm["name"] for vm in sample["vms"] if re.fullmatch(r"[\w.+-]+", vm["name"])}
            self.assertLess(len(names), len(sample["vms"]), "no odd name in the sample any more")
            for words in (("can-migrate",), ("clear",), ("status", "--vm"), ("domain", "xml")):
                offered = self.complete("seawardctl", "--socket", "/s", *words, "", bin_folder=folder)
                self.assertEqual(names, offered, words)


if __name__ == "__main__":
    unittest.main()
