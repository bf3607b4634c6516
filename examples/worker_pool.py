# SPDX-License-Identifier: Apache-2.0
"""Let a fixed number of threads do any number of tasks. A bounded number of tasks waits.

python examples/worker_pool.py [--threads 4] [--waiting 8] [--tasks 200]
"""

from __future__ import annotations

import queue
import sys
from collections import Counter
from collections.abc import Callable

import options
from cereggii import AtomicBool, AtomicEvent, AtomicInt, CountDownLatch, ThreadSet
from rich.console import Console
from rich.table import Table


class Task:
    """A function that some thread will call. Afterwards it holds the result or the error."""

    def __init__(self, function: Callable[[], object], ended: CountDownLatch) -> None:
        self.function = function
        self.ended = ended  # counts the tasks that have not ended
        self.state = "waiting"
        self.result: object = None
        self.error: BaseException | None = None

    def run(self) -> None:
        """Call the function. An exception is kept, so it does not end the thread of the pool."""
        try:
            self.result = self.function()
            self.state = "returned"
        except BaseException as error:
            self.error = error
            self.state = "raised"
        finally:
            self.ended.decrement()

    def drop(self) -> None:
        """End the task without calling the function."""
        self.state = "dropped"
        self.ended.decrement()


class WorkerPool:
    """A fixed number of threads, and a queue in which a bounded number of tasks waits for them.

    The thread that makes the pool submits the tasks and closes it. Any thread may stop it.
    """

    def __init__(self, threads: int, waiting: int) -> None:
        # None ends a worker. It comes after all tasks, so each task is run or dropped.
        self._queue: queue.Queue[Task | None] = queue.Queue(waiting)
        self._is_stopped = AtomicBool()
        self.threads = ThreadSet.repeat(threads)(self._work)
        self.threads.start()

    def submit(self, task: Task) -> None:
        """Put a task into the queue. Block while the queue is full."""
        self._queue.put(task)

    def stop(self) -> bool:
        """Start no more tasks. Return False if another thread has stopped the pool before."""
        return not self._is_stopped.get_and_set(True)

    def close(self) -> None:
        """Wait until each task has been run or dropped and the threads have ended."""
        for _ in self.threads:
            self._queue.put(None)
        self.threads.join()

    def _work(self) -> None:
        while (task := self._queue.get()) is not None:
            if self._is_stopped:
                task.drop()
            else:
                task.run()

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(self, error_type: type[BaseException] | None, *_: object) -> None:
        # After an error or Ctrl-C, do not run the tasks that are still in the queue.
        if error_type is not None:
            self.stop()
        self.close()


def count_primes(below: int) -> int:
    """A task that takes a while."""
    if below < 0:
        raise ValueError(f"there is no number from 0 to {below}")
    return sum(all(n % d for d in range(2, int(n**0.5) + 1)) for n in range(2, below))


def run_all(pool: WorkerPool, numbers: list[int]) -> tuple[list[Task], int]:
    """Run a task for each number. Return the tasks, and how many ran at a time at most."""
    ended = CountDownLatch(len(numbers))
    running, most_running = AtomicInt(), AtomicInt()

    def make(number: int) -> Task:
        def function() -> int:
            most_running.get_and_max(running.increment_and_get())
            try:
                return count_primes(number)
            finally:
                running.decrement_and_get()

        return Task(function, ended)

    tasks = [make(number) for number in numbers]
    for task in tasks:
        pool.submit(task)
    ended.wait()
    return tasks, most_running.get()


def stop_early(threads: int, waiting: int) -> list[Task]:
    """Stop a pool while each thread runs a task and the queue is full. Return the tasks."""
    started, ended = CountDownLatch(threads), CountDownLatch(threads + waiting)
    go_on = AtomicEvent()

    def function() -> None:
        started.decrement()
        go_on.wait()

    tasks = [Task(function, ended) for _ in range(threads + waiting)]
    with WorkerPool(threads, waiting) as pool:
        for task in tasks:
            pool.submit(task)
        started.wait()
        pool.stop()
        go_on.set()
    ended.wait()
    return tasks


def has_right_end(task: Task, number: int) -> bool:
    """Whether a task of `run_all` ended as a call of the function ends here."""
    try:
        expected = count_primes(number)
    except ValueError as error:
        return task.state == "raised" and str(task.error) == str(error)
    return task.state == "returned" and task.result == expected


def main() -> int:
    """Print how the tasks ended. Return 1 if one of them ended in a wrong way."""
    parser = options.Parser(__doc__)
    parser.add("--threads", options.threads, 4, "threads of the pool")
    parser.add("--waiting", options.number, 8, "tasks in the queue, at most")
    parser.add("--tasks", options.number, 200, "tasks to be done")
    arguments = parser.parse_args()

    # One task in fifty raises an error.
    numbers = [
        1000 + number if number % 50 else -number for number in range(1, arguments.tasks + 1)
    ]
    with WorkerPool(arguments.threads, arguments.waiting) as pool:
        tasks, at_a_time = run_all(pool, numbers)
        all_ran = all(task.state != "waiting" for task in tasks)
    all_ran = all_ran and all(map(has_right_end, tasks, numbers))
    all_ran = all_ran and at_a_time <= arguments.threads and pool.threads.all_are_not_alive()
    stopped = stop_early(arguments.threads, arguments.waiting)
    ends = Counter(task.state for task in stopped)
    stopped_early = ends == {"returned": arguments.threads, "dropped": arguments.waiting}

    gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    console = Console()
    console.print(
        f"{arguments.threads} threads, of which {at_a_time} ran tasks at the same time\n"
        f"Python {sys.version.split()[0]}, the GIL is {'on' if gil else 'off'}"
    )
    table = Table()
    for heading in ("pool", "tasks", "returned", "raised", "dropped", ""):
        table.add_column(heading, justify="left" if heading in ("pool", "") else "right")
    for name, some, right in (
        ("waited for", tasks, all_ran),
        ("stopped early", stopped, stopped_early),
    ):
        ends = Counter(task.state for task in some)
        table.add_row(
            name,
            f"{len(some):,}",
            *(f"{ends[end]:,}" for end in ("returned", "raised", "dropped")),
            "[green]right" if right else "[red]wrong",
        )
    console.print(table)
    for task in tasks:
        if task.error is not None:
            console.print(f"A task raised {task.error!r}")
    return 0 if all_ran and stopped_early else 1


if __name__ == "__main__":
    sys.exit(main())
