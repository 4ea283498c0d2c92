"""A process that does one piece of work for this one, and ends with it: also where that is killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO

LONGEST_S = 7 * 24 * 3600.0


def run(command: Sequence[str], stderr: int | IO[str] | None = None) -> subprocess.CompletedProcess[str]:
    """What a command said and how it ended. It must call `end_with_parent` first of all, and ends
    within LONGEST_S."""
    ear, mouth = os.pipe()
    with (
        os.fdopen(ear) as given,
        os.fdopen(mouth) as held,
        subprocess.Popen(command, stdin=given, stdout=subprocess.PIPE, stderr=stderr, text=True) as child,
    ):
        try:
            # With a time it waits by `select`, which Ctrl-C ends: Polars has a bare read go on after it.
            said, told = child.communicate(timeout=LONGEST_S)
        except BaseException:
            held.close()
            child.wait()
            raise
    return subprocess.CompletedProcess(command, child.returncode, said, told)


def end_with_parent(unfinished: Path | None = None) -> None:
    """Ends this process when the one that `run` it is gone or waits no longer, and takes `unfinished` away.

    Ctrl-C in a terminal and the stop of a service are told to both: they are the parent's to act on.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)

    def watch() -> None:
        os.read(0, 1)  # nothing is ever written: it ends when the other end is closed
        if unfinished is not None:
            shutil.rmtree(unfinished, ignore_errors=True)
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()
