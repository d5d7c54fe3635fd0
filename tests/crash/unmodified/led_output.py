"""Standard output led to a log by its number and back again, and two files over one descriptor's copy."""

import os
import sys
import time

saved = os.dup(1)
log = open("led.log", "w")
errors = os.fdopen(os.dup(log.fileno()), "w", buffering=1)
for step in range(60):
    if step % 10 == 3:
        sys.stdout.flush()
        os.dup2(log.fileno(), 1)
    if step % 10 == 7:
        sys.stdout.flush()
        os.dup2(saved, 1)
    print("step", step, flush=True)
    errors.write(f"error {step}\n")
    time.sleep(0.03)
log.close()
errors.close()
print(open("led.log").read(), flush=True)
