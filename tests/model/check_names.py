#!/usr/bin/env python3
"""check_names.py SOURCE: the words of tests/model/session.pml are those of the code's tables, and
every event of the session's table is in the model or named as left out. And what a search of one VM
says holds of two: no process touches another VM's state than its own."""
import re
import sys
from pathlib import Path

SOURCE = Path(sys.argv[1])
MODEL = (SOURCE / "tests/model/session.pml").read_text()


def model_words(kind):
    declared = re.search(r"^mtype:%s = \{([^}]*)\}" % kind, MODEL, re.M)
    return {word.strip() for word in declared.group(1).split(",")}


def words_of(path, function):
    """What a ToString in that file returns, but for its last line."""
    text = (SOURCE / path).read_text()
    body = re.search(r"std::string_view ToString\(%s \w+\) \{(.*?)^\}" % function, text, re.M | re.S)
    return set(re.findall(r'return "(\w[\w ]*)";', body.group(1))) - {"unknown"}


def frames_of_the_protocol():
    text = (SOURCE / "protocol/frame.h").read_text()
    body = re.search(r"enum class MessageType[^{]*\{(.*?)\};", text, re.S).group(1)
    names = re.findall(r"\bk(\w+) =", body)
    return {re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower() for name in names}


def strangers():
    """Places where a process could reach another VM: any index of a VM's state but its own `v`. Only
    the notifier's death goes over all of them, and does to each what it does to one."""
    code = re.sub(r"/\*.*?\*/", "", MODEL, flags=re.S)
    indexed = re.findall(r"\b(vm|to_guest|to_host)\[(\w+)\]", code)
    wrong = [f"{name}[{index}]: another VM's" for name, index in indexed if index not in ("v", "VMS")]
    for process in re.findall(r"^proctype (\w+)\(byte v\) \{(.*?)^\}", code, re.M | re.S):
        if re.search(r"(?<![.\w])v\s*(=(?!=)|\+\+|--)", process[1]):
            wrong.append(f"process {process[0]} turns to another VM")
    return wrong


def main():
    phases = "host-notifier/session/phase.cc"
    wrong = []

    def same(what, model, code):
        if model != code:
            wrong.append(f"{what}: the model alone has {sorted(model - code)}, "
                         f"the code alone {sorted(code - model)}")

    same("phases", model_words("phase"), words_of(phases, "Phase"))
    same("page lives", model_words("life"), words_of("host-notifier/ledger/page_life.cc", "PageLife"))
    agent = {word.removeprefix("agent_") for word in model_words("agent_phase")}
    same("agent's phases", agent, words_of("guest-agent/session/session_phase.cc", "SessionPhase"))
    unknown = model_words("frame") - frames_of_the_protocol()
    if unknown:
        wrong.append(f"frames that the protocol does not know: {sorted(unknown)}")
    left_out = re.search(r"left out: ([^*]*?)\n \*/", MODEL).group(1)
    events = {event.strip() for event in re.findall(r"/\* event: ([\w ]+)", MODEL)}
    named = events | {event.strip() for event in left_out.split(",")}
    same("events", named, words_of(phases, "Event"))
    wrong += strangers()
    if wrong:
        sys.exit("tests/model/session.pml and the code disagree\n" + "\n".join(wrong))
    print(f"{len(events)} events, {len(model_words('phase'))} phases, {len(model_words('life'))} lives")


if __name__ == "__main__":
    main()
