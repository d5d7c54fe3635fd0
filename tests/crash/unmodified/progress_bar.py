"""A tqdm loop, nested and with a postfix: its monitor thread must not stand in the way of commits."""

from tqdm import tqdm, trange

total, seen = 0, []
bar = tqdm(range(40), desc="outer", mininterval=0.01)
for i in bar:
    for j in trange(60, leave=False, mininterval=0.01):
        for k in range(2400):
            total = (total * 33 + i * j + k) % 1_000_003
    bar.set_postfix(total=total)
    seen.append(total)
    print(i, total, bar.desc)
bar.close()
print(len(seen), sum(seen), bar.n)  # all are counted once it is over
