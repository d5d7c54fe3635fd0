"""A link that leads to the newest of several files, by os.symlink, os.replace and pathlib; a script made executable."""

import os
import pathlib

from points import point

latest = pathlib.Path("latest")
for epoch in range(4):
    name = f"epoch{epoch}.txt"
    pathlib.Path(name).write_text(f"{epoch}\n")
    if latest.is_symlink():
        print("was", os.readlink(latest), latest.read_text().strip())
    point()
    os.symlink(name, "next")
    os.replace("next", latest)
    if epoch % 2:
        latest.unlink()
        latest.symlink_to(name)
    os.symlink(name, f"only{epoch}")
    point()
    print("is", os.readlink(latest), sorted(path.name for path in pathlib.Path().glob("only*")))
script = pathlib.Path("run.sh")
script.write_text("exit 0\n")
point()
print(oct(script.stat().st_mode & 0o111))
script.chmod(0o755)
point()
print(oct(script.stat().st_mode & 0o111))
