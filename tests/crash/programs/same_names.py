"""Modules that say that they have the same name, under others in sys.modules: a loader of plugins gives each that."""

import sys
import types

from points import point

SOURCE = """
count = 0

def step(by):
    global count
    count += by
    return count

class Kind:
    made = 0
    def __init__(self):
        type(self).made += 1
"""


def load(key):
    module = types.ModuleType("plugin")
    module.__file__ = f"{key}.py"
    exec(compile(SOURCE, module.__file__, "exec"), module.__dict__)
    sys.modules[key] = module
    return module


plugins = [load("first_plugin"), load("second_plugin")]
things = []
for number in range(4):
    things += [plugin.Kind() for plugin in plugins]
    print(number, [plugin.step(by) for by, plugin in enumerate(plugins, 1)])
    point()
print([plugin.Kind.made for plugin in plugins], [type(thing) is plugins[0].Kind for thing in things])
print([sys.modules[key] is plugin for key, plugin in zip(("first_plugin", "second_plugin"), plugins, strict=True)])
print([(plugin.__name__, plugin.__file__) for plugin in plugins], "plugin" in sys.modules)
