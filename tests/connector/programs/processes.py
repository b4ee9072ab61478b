"""What `misbehaving.py` does to itself and starts."""

import os
import signal
import subprocess
import sys
import time


def die(which):
    number = getattr(signal, which) if str(which).startswith("SIG") else int(which)
    if number != signal.SIGKILL and number != signal.SIGSTOP:
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    time.sleep(3600)


def start_process(seconds, group=True):
    """Starts a process that holds the pipes. Returns its pid."""
    code = f"import time; time.sleep({seconds})"
    started = subprocess.Popen([sys.executable, "-c", code], stdin=0, stdout=1, stderr=2, start_new_session=not group)
    return started.pid


def write_stderr(count, line=100):
    text = (b"e" * (line - 1) + b"\n") * (count // line) + b"e" * (count % line)
    while text:
        text = text[os.write(2, text):]
