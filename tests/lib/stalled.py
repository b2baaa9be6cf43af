"""What others had of the machine; stalled_ms of lib.sh is the same."""


def stalled():
    """For how many seconds, since the machine's start, some process that could
    have run was kept from a core or waited for the disk; 0.0 where the kernel
    does not tell."""
    seconds = 0.0
    for name in "cpu", "io":
        try:
            with open(f"/proc/pressure/{name}", encoding="ascii") as file:
                seconds += int(file.readline().rpartition("=")[2]) / 1e6
        except (OSError, ValueError):
            pass
    return seconds
