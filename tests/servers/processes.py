"""What the system says of a process and those that it started."""

from pathlib import Path

PROC = Path("/proc")


def is_asleep(process: int) -> bool:
    """Whether it stands still because somebody sent it SIGSTOP. One that has ended does not."""
    return _status(process)[:1] in (["T"], ["t"])


def children(process: int) -> list[int]:
    """The processes that it started and that have not ended."""
    numbers = [int(path.name) for path in PROC.iterdir() if path.name.isdigit()]
    return [one for one in numbers if _status(one)[1:2] == [str(process)]]


def _status(process: int) -> list[str]:
    """State, parent and more of a process (proc(5), stat); nothing where there is none of that number."""
    try:
        text = (PROC / str(process) / "stat").read_text(errors="replace")
    except OSError:  # it has ended
        return []
    return text.rpartition(")")[2].split()
