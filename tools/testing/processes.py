# SPDX-License-Identifier: Apache-2.0
"""Parts of programs that tests run in processes of their own: forks, Ctrl-C, daemon threads.

A program is indented by four spaces where it begins or ends with such a part.
"""

from __future__ import annotations

import signal
import subprocess
import time

from tools.testing.interpreters import STARTUP, command

# Programs that fork begin with it.
IN_CHILD = """
    import faulthandler, os, sys, threading, time, warnings
    warnings.simplefilter("ignore", DeprecationWarning)

    def in_child(work):
        # Runs work() in a forked process; it has to end in time, and well.
        child = os.fork()
        if child == 0:
            faulthandler.dump_traceback_later(20, exit=True)
            code = 1
            try:
                work()
                code = 0
            except BaseException:
                import traceback
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(code)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0, status
"""

# Programs in which Ctrl-C ends a call begin with it.
INTERRUPTED = """
    import signal, threading, time
    # A shell's background jobs ignore SIGINT, so Python has not installed this handler there.
    signal.signal(signal.SIGINT, signal.default_int_handler)

    def interrupted(call):
        # Runs call() in the main thread, which Ctrl-C has to end.
        def interrupt():
            time.sleep(0.2)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        interrupter = threading.Thread(target=interrupt)
        interrupter.start()
        try:
            call()
        except KeyboardInterrupt:
            pass
        else:
            raise AssertionError("not interrupted")
        interrupter.join()
"""

# Programs that end while daemon threads are busy end with it. They have a dict of `operations`; the
# argument is the name of one of them.
END_AMID_DAEMONS = """
    import sys, threading, time
    operation = operations[sys.argv[1]]
    def work():
        while True:
            operation()
    for _ in range(4):
        threading.Thread(target=work, daemon=True).start()
    time.sleep(0.1)
"""


def run_until_ctrl_c(program: str) -> str:
    """Run a program that prints "waiting", send it Ctrl-C. What else it prints."""
    with subprocess.Popen(command(program), stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "waiting\n"
            time.sleep(0.2)
            assert process.poll() is None
            process.send_signal(signal.SIGINT)
            output, _ = process.communicate(timeout=STARTUP)
        finally:
            process.kill()
    assert process.returncode == 0
    return output
