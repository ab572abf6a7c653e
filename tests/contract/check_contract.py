#!/usr/bin/env python3
"""Compares docs/CONTRACT.md and docs/schemas/ with the programs.

usage: check_contract.py SOURCE_DIR BINARY_DIR [unittest arguments]
"""
import copy
import json
import pathlib
import re
import subprocess
import sys
import unittest

import jsonschema

SOURCE = pathlib.Path(sys.argv.pop(1))
BINARY = pathlib.Path(sys.argv.pop(1))
UNITS = {"_ms": "ms", "_s": "s", "_us": "us", "_ns": "ns", "_bytes": "bytes", "_mib": "MiB",
         "_percent": "percent", "_days": "days"}
# Which program loads which shipped file.
LOADERS = {"configs/notifier.yaml": "seaward-notifier",
           "configs/examples/policy.yaml": "seaward-notifier",
           "configs/guest/agent.yaml": "seaward-agent"}


def contract_tables():
    """{"keys notifier.yaml": [[cell, ...], ...], ...} of the marked tables, without their headers."""
    text = (SOURCE / "docs/CONTRACT.md").read_text()
    tables = {}
    for name, body in re.findall(
            r"<!-- contract: ((?:keys|options) [^>]*?) -->\n(.*?)<!-- contract: end -->", text, re.S):
        rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in body.strip().splitlines()]
        cells = [[c.strip().replace("\\|", "|").strip("`") for c in row] for row in rows[2:]]
        tables[name] = cells
    return tables


def run(program, *arguments):
    return subprocess.run([BINARY / "bin" / program, *arguments], capture_output=True, text=True,
                          timeout=60, check=False)


TABLES = contract_tables()
DUMP = json.loads(subprocess.run([BINARY / "bin/contract_dump"], capture_output=True, text=True,
                                 timeout=60, check=True).stdout)


def schema(name):
    return json.loads((SOURCE / f"docs/schemas/{name}.schema.json").read_text())


class Keys(unittest.TestCase):
    maxDiff = None

    def test_every_key_stands_on_both_sides_with_type_and_default(self):
        for file, keys in DUMP["keys"].items():
            with self.subTest(file):
                # A list of maps has no default of its own items: the code calls it "list".
                said = [(row[0], row[1], row[3]) for row in TABLES[f"keys {file}"]]
                self.assertEqual(sorted(said),
                                 sorted((k["path"], k["type"], k["default"]) for k in keys))

    def test_units_stand_in_the_key(self):
        for file in DUMP["keys"]:
            for path, kind, unit, *_ in TABLES[f"keys {file}"]:
                rate = path.endswith("_per_s")  # a number of something, not of seconds
                implied = [u for suffix, u in UNITS.items() if path.endswith(suffix) and not rate]
                with self.subTest(path):
                    self.assertEqual([unit] if unit else [], implied if kind == "integer" else [])


class Options(unittest.TestCase):
    def test_every_option_stands_on_both_sides(self):
        commands = [name.removeprefix("options ") for name in TABLES if name.startswith("options ")]
        self.assertGreaterEqual(len(commands), 8)
        for command in commands:
            with self.subTest(command):
                program, *subcommand = command.split()
                help_text = run(program, *subcommand, "--help")
                self.assertEqual(help_text.returncode, 0, help_text.stderr)
                shown = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", help_text.stdout))
                said = {row[0] for row in TABLES[f"options {command}"]}
                # Some programs do not list --help in their help.
                self.assertEqual(said | {"--help"}, shown | {"--help"})

    def test_every_command_of_seawardctl_is_described(self):
        shown = run("seawardctl", "--help").stdout.split("Subcommands:")[1]
        commands = set(re.findall(r"^  ([\w-]+) ", shown, re.M))
        self.assertEqual(commands, {name.split()[2] for name in TABLES
                                    if name.startswith("options seawardctl ")})

    def test_defaults_of_seawardctl_are_those_of_the_document(self):
        for row in TABLES["options seawardctl report"] + TABLES["options seawardctl events"]:
            default = re.search(r"default `?([\w./]+)", row[1])
            if default:
                texts = run("seawardctl", "report", "--help").stdout
                texts += run("seawardctl", "events", "--help").stdout
                self.assertRegex(texts, rf"{row[0]} \S+=?.*{default[1]}")


class ExitCodes(unittest.TestCase):
    def test_wrong_usage_ends_with_2(self):
        for program in ("seawardctl", "seaward-notifier", "seaward-agent", "seaward-publish", "seaward-chaos"):
            with self.subTest(program):
                self.assertEqual(run(program, "--no-such-option").returncode, 2)
        self.assertEqual(run("seawardctl", "report", "--vm", "g", "--gpa", "4711").returncode, 2)
        self.assertEqual(run("seawardctl", "clear", "g", "--gpa", "0x1000").returncode, 2)
        self.assertEqual(run("seawardctl").returncode, 2)
        self.assertEqual(run("seaward-chaos", "--scenario", "/dev/null").returncode, 2)

    def test_no_notifier_ends_with_3(self):
        for command in ("status", "events", "watch", "domain check x", "domain xml x",
                        "can-migrate x", "explain x", "replay x", "audit", "drain", "export",
                        "clear x --gpa 0x1000 --reason y"):
            done = run("seawardctl", "--socket", "/nonexistent", *command.split())
            self.assertEqual(done.returncode, 3, command)


class Configs(unittest.TestCase):
    def test_every_shipped_configuration_loads(self):
        shipped = {str(p.relative_to(SOURCE)) for p in (SOURCE / "configs").rglob("*.yaml")
                   if p.parent.name not in ("prometheus", "chaos")}  # check_monitoring.py, and below
        self.assertEqual(shipped, set(LOADERS))
        for file, program in LOADERS.items():
            done = run(program, "--check-config", "--config", str(SOURCE / file))
            self.assertEqual((done.returncode, done.stderr), (0, ""), file)

    def test_a_wrong_one_is_refused_with_its_place(self):
        for program in LOADERS.values():
            wrong = BINARY / f"contract-{program}.yaml"
            wrong.write_text("log_level: loud\nlog_levle: info\n")
            done = run(program, "--check-config", "--config", str(wrong))
            wrong.unlink()
            self.assertEqual(done.returncode, 2)
            self.assertIn(f"{wrong}:1:12: error: 'log_level' must be one of", done.stderr)
            self.assertIn(f"{wrong}:2:1: error: unknown key 'log_levle'; did you mean 'log_level'?",
                          done.stderr)

    def test_every_shipped_scenario_loads(self):
        files = sorted((SOURCE / "configs/chaos").glob("*.yaml"))
        self.assertGreaterEqual(len(files), 6)
        for file in files:
            done = run("seaward-chaos", "--check-scenario", "--scenario", str(file))
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""), file)

    def test_a_wrong_scenario_is_refused_with_its_place(self):
        wrong = BINARY / "contract-scenario.yaml"
        wrong.write_text("about: x\nsteps:\n  - do: posion\n    pags: 3\n")
        done = run("seaward-chaos", "--check-scenario", "--scenario", str(wrong))
        wrong.unlink()
        self.assertEqual(done.returncode, 2)
        self.assertIn(f"{wrong}:3:9: error: 'steps[].do' must be one of", done.stderr)
        self.assertIn(f"{wrong}:4:5: error: unknown key 'pags'; did you mean 'pages'?", done.stderr)


class Schemas(unittest.TestCase):
    def test_every_sample_is_what_its_schema_says(self):
        for name, lines in DUMP["samples"].items():
            jsonschema.Draft7Validator.check_schema(schema(name))
            for line in lines:
                with self.subTest(name):
                    jsonschema.validate(json.loads(line), schema(name))

    def test_a_member_more_or_less_is_an_error(self):
        for name, lines in DUMP["samples"].items():
            sample = json.loads(lines[0])
            row = sample[-1] if isinstance(sample, list) else sample
            more = {**row, "surprise": 1}
            less = copy.copy(row)
            less.pop(next(iter(less)))
            for wrong in (more, less):
                with self.subTest(name), self.assertRaises(jsonschema.ValidationError):
                    jsonschema.validate([wrong] if row is not sample else wrong, schema(name))

    def test_every_address_and_time_follows_the_rules(self):
        def resolved(root, node):  # "#/$defs/address" -> what stands there
            target = root
            for part in node.get("$ref", "#").split("/")[1:]:
                target = target[part]
            return node if target is root else target
        def walk(name, root, node):
            for key, value in node.get("properties", {}).items():
                value = resolved(root, value)
                if re.search(r"(^|_)(gpa|gva|hva|esr|frame)$", key):
                    self.assertIn("0x", json.dumps(value), f"{name}: {key}")
                if (name, key) == ("notice.schema.json", "time"):
                    continue  # CloudEvents' own word
                self.assertNotRegex(
                    key, r"(^|_)(time|exposure|duration|monotonic)$|^(first|last)_seen$")
                walk(name, root, value)
            for part in ("items",):
                if part in node:
                    walk(name, root, node[part])
            for choice in node.get("anyOf", []) + node.get("oneOf", []):
                walk(name, root, choice)
        for path in (SOURCE / "docs/schemas").glob("*.schema.json"):
            root = json.loads(path.read_text())
            walk(path.name, root, root)

    def test_words_are_those_of_the_document(self):
        # A key may be called as a member is.
        text = (SOURCE / "docs/CONTRACT.md").read_text().split("## Words", 1)[1]
        alarm = schema("events")["properties"]["alarms"]["items"]["properties"]["alarm"]
        row = re.search(r"^\| `alarm` \| (.*) \|$", text, re.M)[1]
        self.assertEqual(re.findall(r"`(\w+)`", row), alarm["enum"])
        action = schema("audit")["properties"]["audit"]["items"]["properties"]["action"]
        row = re.search(r"^\| `action` of the audit \| (.*) \|$", text, re.M)[1]
        self.assertEqual(re.findall(r"`(\w+)`", row), action["enum"])
        finding = schema("domain")["properties"]["findings"]["items"]
        for member in ("item", "state"):
            row = re.search(rf"^\| `{member}` of a finding \| (.*) \|$", text, re.M)[1]
            self.assertEqual(re.findall(r"`(\w+)`", row), finding["properties"][member]["enum"])
        explain = schema("explain")["properties"]
        rule = explain["rules"]["items"]["properties"]
        decision = explain["decisions"]["items"]["properties"]
        judged = rule["actions"]["items"]["properties"]
        for name, words in (("`when`", rule["when"]), ("`action`", decision["action"]),
                            ("`state` of a decision", decision["state"]),
                            ("`judgement`", judged["judgement"])):
            row = re.search(rf"^\| {name} \| (.*) \|$", text, re.M)[1]
            self.assertEqual(re.findall(r"`(\w+)`", row), words["enum"])
        page = schema("status")["properties"]["vms"]["items"]["properties"]["pages"]["items"]
        listed = schema("status")["properties"]["vms"]["items"]["properties"]["boot_list"]["anyOf"][0]
        row = re.search(r"^\| `result` of a boot list \| (.*) \|$", text, re.M)[1]
        self.assertEqual(re.findall(r"`(\w+)`", row), listed["properties"]["result"]["enum"])
        for member in ("evidence", "life", "outcome", "protected_by", "host_retired", "heal",
                       "heal_reason"):
            row = re.search(rf"^\| `{member}` \| (.*) \|$", text, re.M)[1]
            words = [w for w in page["properties"][member]["enum"] if w is not None]
            self.assertEqual(re.findall(r"`(\w+)`", row), words)


if __name__ == "__main__":
    unittest.main()
