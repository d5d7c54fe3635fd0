"""What a class says of itself, when it may say anything: the type of Cython's functions has a descriptor as name."""

from __future__ import annotations


def module_of(cls: type) -> str:
    """The name of the module it says it is from; "" when it says nothing of use."""
    name: object = cls.__module__
    return name if isinstance(name, str) else ""


def package_of(cls: type) -> str:
    """The first part of that name: `torch` for `torch.nn.modules.module`."""
    return module_of(cls).partition(".")[0]
