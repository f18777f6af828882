"""A clock for leases: it never steps, and it runs on while the machine is suspended."""

import time


def running_time() -> float:
    """Seconds since the machine started, those it was suspended included, where the system can tell."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()
