"""CPU time and monotonic time never go back, and what was waited for does not begin again."""

import time
from time import perf_counter as counter

from points import point

start = time.monotonic(), counter(), time.process_time(), time.thread_time()
while time.process_time() < start[2] + 1.0:
    pass
seen = [time.monotonic(), counter(), time.process_time(), time.thread_time()]
for step in range(4):
    point()
    now = [time.monotonic(), counter(), time.process_time(), time.thread_time()]
    print(step, [later >= earlier for earlier, later in zip(seen, now, strict=True)])
    seen = now
print(time.process_time() >= start[2] + 1.0, time.thread_time() >= start[3] + 0.5)
