# SPDX-License-Identifier: Apache-2.0
"""Which errors the functions of a tree can throw, and which of them can block: read from the text of headers and sources.

This is no compiler. Functions are found by their braces and calls by their names. A call of a name that several classes have
counts with what all of them do, unless its own class or the name before "::" says which is meant; so nothing is claimed that
only might be. What is thrown in a try block whose catch keeps it is not counted, and neither is what a function does that is
merely handed over.
"""

import re
from pathlib import Path

BLOCKS = "(blocks)"
# What stands still until others act. Names of the standard library, Qt's and the waits of our own that end in them.
BLOCKING = re.compile(r"(?:\.|->)(?:wait|wait_for|wait_until|waitForFinished|exec)\s*\(")
COMMENTS = re.compile(r"//[^\n]*|/\*.*?\*/|R\"\((?:.|\n)*?\)\"|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])'", re.DOTALL)
MACROS = re.compile(r"(?m)^[ \t]*#(?:[^\n]*\\\n)*[^\n]*")
THROW = re.compile(r"\bthrow\s+(?:std::)?([A-Z]\w+|invalid_argument)\b")
RETHROW = re.compile(r"\bthrow\s*;")
CALL = re.compile(r"(?P<before>(?:\.|->|\b\w+(?:<[^<>;]*>)?::)?)\b(?P<name>\w+)(?:<[^<>;()]*>)?\s*\(")
DEFINITION = re.compile(r"(?P<owner>(?:\b\w+(?:<[^<>]*>)?::)*)(?P<name>~?\w+|operator\s*\(\)|operator\W+)\s*\(")
CLASS = re.compile(r"\b(?:class|struct)\s+(?:[A-Z_]+\s+|\[\[[^]]*\]\]\s*)*(?P<name>\w+(?:::\w+)*)(?:<[^{};]*>)?\s*(?:final\s*)?(?::[^:].*)?$", re.DOTALL)
INITIALIZER = re.compile(r"\)\s*(?:noexcept\s*)?:(?!:)[^;]*[\w>]\s*$")
BASES = re.compile(r"(?:public|protected|private)\s+(?:\w+::)*(\w+)")
DECLARES = re.compile(r"(?:[>}]|\b(?!(?:return|co_return|co_await|co_yield|throw|else|do|new)\b)\w+)\s+$")
KEYWORDS = {"if", "for", "while", "switch", "catch", "return", "sizeof", "decltype", "noexcept", "requires", "alignas", "static_assert",
            "constexpr", "co_await", "throw", "new", "delete", "explicit", "Q_DISABLE_COPY"}
# Methods of ours that have a namesake in Qt or the standard library: which one a call by "." or "->" means is not to be seen.
SHARED = {"join", "key", "compare", "insert", "add", "find", "close", "start", "wait", "reset", "release", "run", "exec", "value",
          "result", "state", "name", "size", "error", "cancel", "describe", "toString", "install", "now", "check", "get", "put", "next"}


def blanked(text):
    """Without comments, strings and preprocessor lines; everything else stays where it was."""
    empty = lambda match: re.sub(r"[^\n]", " ", match[0])
    return MACROS.sub(empty, COMMENTS.sub(empty, text))


def matching(text, at):
    """Where the parenthesis that opens at `at` closes."""
    depth = 0
    for index in range(at, len(text)):
        depth += {"(": 1, ")": -1}.get(text[index], 0)
        if depth == 0:
            return index
    return len(text)


def parameters(text):
    """How many parameters a list in parentheses has: commas outside of brackets of any kind, and one more."""
    inner = text[1:matching(text, 0)]
    inner = re.sub(r"->|<=|>=|>>|<<", lambda match: "> >" if match[0] == ">>" else "", inner)
    depth = commas = 0
    for character in inner:
        depth += {"(": 1, "[": 1, "{": 1, "<": 1, ")": -1, "]": -1, "}": -1, ">": -1}.get(character, 0)
        commas += character == "," and depth == 0
    return commas + 1 if inner.strip() and inner.strip() != "void" else 0


class Function:
    def __init__(self, owner, name, path, line, count, returned):
        self.owner, self.name, self.path, self.line, self.count, self.returned = owner, name, path, line, count, returned
        self.effects, self.calls, self.taken = set(), set(), ""


class Graph:
    def __init__(self, root):
        self.functions, self.bases, self.by_name, self.by_owner = [], {}, {}, {}
        paths = sorted(Path(root, "include").rglob("*.h")) + sorted(Path(root, "src").rglob("*.cpp"))
        for path in paths:
            self.read(path, str(path.relative_to(root)))
        for function in self.functions:
            self.by_name.setdefault(function.name, []).append(function)
            self.by_owner.setdefault(function.owner, []).append(function)
        self.close()

    def read(self, path, name):
        text = blanked(path.read_text(encoding="utf-8"))
        open_blocks, blocks, begin, depth = [], [], 0, 0
        for index, character in enumerate(text):
            depth += {"(": 1, ")": -1}.get(character, 0)
            if character == ";" and depth == 0:
                begin = index + 1
            elif character == "{":
                head = text[begin:index]
                # A value in braces, in an argument or in what a constructor begins with: the head goes on behind it.
                value = depth > 0 or bool(INITIALIZER.search(head))
                block = {"head": head, "open": index, "around": list(open_blocks), "depth": depth, "begin": begin if value else None}
                open_blocks.append(block)
                blocks.append(block)
                begin, depth = index + 1, 0
            elif character == "}" and open_blocks:
                block = open_blocks.pop()
                block["end"] = index
                begin, depth = index + 1 if block["begin"] is None else block["begin"], block["depth"]
        for block in blocks:
            block["kind"] = self.kind(block)
        for block in blocks:
            if block["kind"] == "function" and not any(outer["kind"] == "function" for outer in block["around"]):
                self.add(text, block, blocks, name)

    def kind(self, block):
        head = block["head"].strip()
        if block["begin"] is not None:
            return "other"
        if re.search(r"\bnamespace\b[\s\w:]*$|\benum\b", head) or "end" not in block:
            return "other"
        match = CLASS.search(head)
        if match and "(" not in head[match.start():].split(":")[0]:
            block["class"] = match["name"].split("::")[-1]
            found = BASES.findall(head[match.start():])
            self.bases.setdefault(block["class"], set()).update(found)
            return "class"
        match = self.defined(head)
        if match:
            block["defined"] = match
            return "function"
        return "other"

    @staticmethod
    def defined(head):
        for match in DEFINITION.finditer(head):
            name = match["name"]
            if name in KEYWORDS or name.startswith("Q_") or "=" in head[:match.start()].replace("operator=", "").split("template")[-1].split(">")[-1]:
                continue
            if head[:match.start()].rstrip().endswith(("]", ",")):
                continue
            return match
        return None

    def add(self, text, block, blocks, path):
        match, head = block["defined"], block["head"].strip()
        owner = re.sub(r"<[^<>]*>", "", match["owner"]).strip(":").split("::")[-1]
        if not owner:
            owner = next((outer["class"] for outer in reversed(block["around"]) if "class" in outer), "")
        close = matching(head, match.end() - 1)
        line = text[:block["open"]].count("\n") + 1
        function = Function(owner, match["name"], path, line, parameters(head[match.end() - 1:]), head[:match.start()] + head[close + 1:])
        function.taken = head[match.end():close]
        function.first = text[:block["open"] - len(block["head"].lstrip())].count("\n") + 1
        inside = [inner for inner in blocks if block["open"] < inner["open"] < block["end"]]
        kept = [inner for inner in inside if re.search(r"\btry$", inner["head"].strip()) and not self.rethrows(text, inner)]
        body, start = head[close + 1:] + text[block["open"]:block["end"]], block["open"] - len(head[close + 1:])
        for found in THROW.finditer(body):
            if not any(inner["open"] < start + found.start() < inner["end"] for inner in kept):
                function.effects.add(found[1])
        handed = [inner for inner in inside if re.search(r"\]\s*(?:\([^()]*\))?\s*(?:mutable\s*)?(?:->.*)?$", inner["head"].rstrip())]
        for found in BLOCKING.finditer(body):
            if not any(inner["open"] < start + found.start() < inner["end"] for inner in handed):
                function.effects.add(BLOCKS)
        for found in CALL.finditer(body):
            if found["name"] not in KEYWORDS and not (not found["before"] and DECLARES.search(body[:found.start()])):
                caught = any(inner["open"] < start + found.start() < inner["end"] for inner in kept)
                function.calls.add((found["before"], found["name"], caught))
        self.functions.append(function)

    @staticmethod
    def rethrows(text, block):
        rest = text[block["end"] + 1:]
        catch = re.match(r"\s*catch\s*\([^)]*\)\s*\{", rest)
        while catch:
            depth, at = 1, catch.end()
            while depth and at < len(rest):
                depth += {"{": 1, "}": -1}.get(rest[at], 0)
                at += 1
            if RETHROW.search(rest[catch.end():at]):
                return True
            rest = rest[at:]
            catch = re.match(r"\s*catch\s*\([^)]*\)\s*\{", rest)
        return False

    def family(self, owner):
        found, new = set(), {owner}
        while new:
            found |= new
            new = set().union(*(self.bases.get(name, set()) for name in new)) - found
        return found

    def meant(self, function, before, name):
        """What a call can mean: the effects that are common to all functions it can mean."""
        candidates = self.by_name.get(name, [])
        if before in (".", "->") and name in SHARED or not before and re.search(rf"\b{name}\b", function.taken):
            return set()
        if before.endswith("::"):
            owner = re.sub(r"<.*", "", before[:-2])
            candidates = [one for one in candidates if one.owner == owner or (not one.owner and owner in ("detail", "QMicroIO", "Test"))]
        elif not before:
            family = self.family(function.owner)
            own = [one for one in candidates if one.owner in family and one.owner]
            candidates = own or [one for one in candidates if not one.owner or one.owner == name]
        if not candidates:
            return set()
        return set.intersection(*(one.effects for one in candidates))

    def close(self):
        changed = True
        while changed:
            changed = False
            for function in self.functions:
                before = len(function.effects)
                for prefix, name, caught in function.calls:
                    effects = self.meant(function, prefix, name)
                    function.effects |= {effect for effect in effects if effect == BLOCKS} if caught else effects
                changed = changed or len(function.effects) != before

    def of_class(self, name):
        """What the methods of an awaitable, and of the awaiters it makes, can do."""
        found, classes, new = set(), set(), {name}
        while new:
            classes |= new
            following = set()
            for function in self.functions:
                if any(function.owner in self.family(one) for one in new) and function.name in (
                        "awaiter", "await_ready", "await_suspend", "await_resume", "operator co_await"):
                    found |= function.effects
                    if function.name == "awaiter" or "co_await" in function.name:
                        following |= set(re.findall(r"\b(\w*Awaiter\w*)\b", function.returned))
            new = following - classes
        return found

    def effects(self, owner, name, file, first, count):
        """Those of one public function: of the body at this line, or of the bodies elsewhere with as many parameters."""
        found = [one for one in self.by_owner.get(owner, []) if one.name == name]
        here = [one for one in found if one.path == file and first is not None and one.first <= first <= one.line]
        if not here:
            here = [one for one in found if one.count == count]
        return set().union(*(one.effects for one in here)) if here else set()
