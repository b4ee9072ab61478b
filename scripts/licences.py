"""Reads `cargo metadata` on standard input and fails if a crate has no allowed licence. Called by check-licences.sh."""

import json
import re
import sys

ALLOWED = {
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
}
TOKEN = re.compile(r"\(|\)|[^\s()]+(?:\s+WITH\s+[^\s()]+)?")


def allowed(expression: str) -> bool:
    """Whether allowed licences alone satisfy an SPDX expression."""
    # Older crates write "MIT/Apache-2.0" for OR.
    tokens = TOKEN.findall(expression.replace("/", " OR "))[::-1]

    def choice() -> bool:
        result = both()
        while tokens and tokens[-1] == "OR":
            tokens.pop()
            result = both() or result
        return result

    def both() -> bool:
        result = single()
        while tokens and tokens[-1] == "AND":
            tokens.pop()
            result = single() and result
        return result

    def single() -> bool:
        token = tokens.pop()
        if token != "(":
            return token in ALLOWED
        result = choice()
        tokens.pop()
        return result

    return choice()


def main() -> int:
    packages = json.load(sys.stdin)["packages"]
    refused = [package for package in packages if not package["license"] or not allowed(package["license"])]
    for package in refused:
        print(f"{package['name']} {package['version']}: licence {package['license']!r} is not allowed; "
              f"allowed are {', '.join(sorted(ALLOWED))}", file=sys.stderr)
    print(f"{len(packages) - len(refused)} of {len(packages)} crates have an allowed licence")
    return 1 if refused else 0


sys.exit(main())
