"""Look for published advisories on what an installation brings along, with all its extras (``requirements-run.lock``), by pip-audit.

Exit code 1 where there is one. Where the advisories cannot be reached, that is said, and is no error: a build without a
network must be possible.
"""

import json
import subprocess
import sys
from pathlib import Path

LOCK = Path(__file__).resolve().parents[1] / "requirements-run.lock"


def main() -> int:
    """Audit, say what was found, and return the exit code."""
    command = [sys.executable, "-m", "pip_audit", "-r", str(LOCK), "--disable-pip", "--no-deps", "--format", "json",
               "--progress-spinner", "off"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  (nothing from outside)
    try:
        found = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        print(f"dependencies NOT audited: no advisories can be reached ({done.stderr.strip()[-200:]})")
        return 0
    audited = [one for one in found if "skip_reason" not in one]
    affected = [one for one in audited if one["vulns"]]
    for one in affected:
        for advisory in one["vulns"]:
            mended = ", ".join(advisory["fix_versions"]) or "none yet"
            print(f"{one['name']} {one['version']}: {advisory['id']}, mended in: {mended}")
    if audited:
        print(f"{len(audited)} of {len(found)} dependencies audited, {len(affected)} with an advisory")
    else:
        print(f"{len(found)} dependencies NOT audited: no advisories can be reached from here")
    return 1 if affected else 0


if __name__ == "__main__":
    sys.exit(main())
