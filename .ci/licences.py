#!/usr/bin/env python3
"""Every dependency's licence is one that a permissively licensed library may be built on.

Asks `cargo metadata`, for the project and for its benchmarks, and evaluates the SPDX expressions: one side of an OR is enough, both sides
of an AND are needed. Prints how many dependencies each expression covers.
"""

import collections
import json
import re
import subprocess
import sys

ACCEPTED = {
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",  # Mozilla's root certificates
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
}


def accepted(expression):
    """Evaluates `A OR (B AND C WITH d)`; a slash is how old manifests wrote OR."""
    tokens = re.findall(r"\(|\)|[^\s()]+", expression.replace("/", " OR "))
    tokens.append(None)
    position = 0

    def take():
        nonlocal position
        position += 1
        return tokens[position - 1]

    def one():
        token = take()
        if token == "(":
            result = either()
            if take() != ")":
                raise ValueError(expression)
            return result
        if token in (None, ")", "AND", "OR", "WITH"):
            raise ValueError(expression)
        if tokens[position] == "WITH":
            take()
            token = f"{token} WITH {take()}"
        return token in ACCEPTED

    def both():
        result = one()
        while tokens[position] == "AND":
            take()
            result = one() and result
        return result

    def either():
        result = both()
        while tokens[position] == "OR":
            take()
            result = both() or result
        return result

    result = either()
    if tokens[position] is not None:
        raise ValueError(expression)
    return result


WORKSPACES = ["Cargo.toml", "crates/tracing-otlp-bench/Cargo.toml"]


def main():
    for manifest in WORKSPACES:
        check(manifest)


def check(manifest):
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--manifest-path", manifest]
    metadata = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    members = set(metadata["workspace_members"])
    counts = collections.Counter()
    refused = []
    for package in metadata["packages"]:
        licence = package.get("license") or ""
        name = f"{package['name']} {package['version']}"
        # Ours, of this workspace or of the other one.
        if package["id"] in members or package["source"] is None:
            if licence != "MIT OR Apache-2.0":
                refused.append(f"{name} is ours and says {licence!r}")
            continue
        counts[licence] += 1
        try:
            if not accepted(licence):
                refused.append(f"{name}: {licence}")
        except ValueError:
            refused.append(f"{name}: cannot read the licence {licence!r}")
    print(manifest)
    for licence, count in counts.most_common():
        print(f"{count:4} {licence}")
    if refused:
        sys.exit("licences that are not on the list:\n  " + "\n  ".join(refused))


if __name__ == "__main__":
    main()
