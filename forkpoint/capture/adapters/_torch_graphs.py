"""Autograd graphs: a spent one becomes a stand-in that fails as torch's own does; an open one makes the commit wait.

A graph is spent when on every path from its root to a leaf some node's saved tensors have been freed: whatever the
program does with it, torch raises "Trying to backward through the graph a second time". Such tensors lie about
at nearly every line of an ordinary training loop (`loss`, `out`). An open graph, also one that saves no
tensors (`w + 1`), could still be used and cannot be made again, unless only variables hold it that are assigned before
they are read (`prob` of the last step, in a loop over an environment).
"""

from __future__ import annotations

import gc
import math
from collections.abc import Callable
from typing import Any, Final
from weakref import WeakKeyDictionary

import torch

from forkpoint.errors import Refused
from forkpoint.model import FrameRecord

_NODES_LOOKED_AT_MAX: Final = 500
"""Some milliseconds: a deeper graph is looked at by the child alone."""

_saved_fields: dict[type, tuple[str, ...]] = {}
_SavedTensor: Final[Any] = torch._C._autograd.SavedTensor
_CAN_LOOK: Final = hasattr(_SavedTensor, "data") and hasattr(_SavedTensor, "unpack_hook")
_usable: WeakKeyDictionary[Any, dict[int, tuple[Any, bool]]] = WeakKeyDictionary()


def spent(tensor: Any, context: Any) -> str | None:
    """The name of a spent graph's root node, or of one that nobody can use; None for a tensor without a graph. Raises
    Refused for an open graph.
    """
    root = tensor.grad_fn
    if root is None:
        return None
    known = _usable.get(context)
    if known is None:
        known = _usable[context] = {}
    if not context.unread and _is_usable(root, known, _freed):
        raise _refused(tensor, _name_of(tensor))
    return _kind(root)


def unfinished(value: Any, name: str) -> Refused | None:
    """In the program, where nothing may be touched: what `spent` will raise for this variable in the child, if it is
    sure to. None also for what only the child can tell.
    """
    if type(value) is not torch.Tensor or not _CAN_LOOK:
        return None
    with torch._C.DisableTorchFunction():  # a mode of the program's is not asked
        if value.grad_fn is None:
            return None
        return _refused(value, name) if _is_usable(value.grad_fn, {}, _seems_freed, _NODES_LOOKED_AT_MAX) else None


def _refused(tensor: Any, name: str) -> Refused:
    called = f"{name} " if name else ""
    shape = "x".join(map(str, tensor.shape)) or "scalar"
    return Refused(
        f"an open autograd graph: {called}({shape}, grad_fn={_kind(tensor.grad_fn)}) can still go through backward()",
        hint="the commit waits for backward(); keep loss.item() or loss.detach() instead of the tensor itself",
    )


def _kind(node: Any) -> str:
    name = type(node).__name__
    return str(node.name()).rpartition("::")[2] if name == "CppFunction" else name


def _is_usable(
    root: Any, known: dict[int, tuple[Any, bool]], freed: Callable[[Any], bool], nodes_max: float = math.inf
) -> bool:
    """Whether some path from `root` to a leaf meets no freed node; False where more than so many nodes would tell.
    `known` keeps nodes alive, so ids stay theirs.
    """
    stack = [root]
    while stack:
        if len(stack) + len(known) > nodes_max:
            return False
        node = stack[-1]
        if id(node) in known:
            stack.pop()
            continue
        after = [] if freed(node) else [following for following, _ in node.next_functions if following is not None]
        waiting = [following for following in after if id(following) not in known]
        if waiting and not any(known[id(following)][1] for following in after if id(following) in known):
            stack.append(waiting[0])  # one at a time: the first usable path answers
            continue
        end = not after and not freed(node)
        known[id(node)] = (node, end or any(known[id(f)][1] for f in after if id(f) in known))
        stack.pop()
    return known[id(root)][1]


def _fields(node: Any) -> tuple[str, ...]:
    cls = type(node)
    if cls not in _saved_fields:
        _saved_fields[cls] = tuple(name for name in dir(cls) if name.startswith("_raw_saved_"))
    return _saved_fields[cls]


def _freed(node: Any) -> bool:
    """Whether backward() has freed what this node saved. Never unpacks a live saved tensor: that may run user code."""
    for name in _fields(node):
        try:
            raw = getattr(node, name)  # a Python function's node raises here
            for saved in raw if isinstance(raw, (tuple, list)) else (raw,):
                if saved is not None:
                    saved.register_hooks(_same, _same)  # a freed one raises; a live one belongs to the child alone
        except RuntimeError as error:
            if "freed" in str(error):
                return True
    return False


def _seems_freed(node: Any) -> bool:
    """The same by looks alone: of what it saved nothing is there."""
    fields = _fields(node)
    try:
        return bool(fields) and not any(_is_there(getattr(node, name)) for name in fields)
    except RuntimeError:
        return True


def _is_there(raw: Any) -> bool:
    if isinstance(raw, (tuple, list)):
        return any(map(_is_there, raw))
    return raw is not None and (raw.data is not None or raw.unpack_hook is not None)


def _same(value: Any) -> Any:
    return value


def _name_of(tensor: Any) -> str:
    """What the program calls the tensor; empty if nothing simple refers to it."""
    for holder in gc.get_referrers(tensor):
        if issubclass(type(holder), dict):  # isinstance would ask a proxy for its __class__, which runs code
            for key, value in holder.items():
                if value is tensor and isinstance(key, str):
                    return key
        if type(holder) is list:
            for record in gc.get_referrers(holder):
                if type(record) is FrameRecord and record.slots is holder:
                    names = record.code.co_varnames
                    at = next(index for index, value in enumerate(holder) if value is tensor)
                    if at < len(names):
                        return str(names[at])
    return ""


# --- the stand-in ---------------------------------------------------------------------------------------------


_functions: dict[str, Any] = {}


def make_spent(tensor: Any, kind: str) -> Any:
    """`tensor` itself, with a graph that has been through backward(): it requires grad, is no leaf, its `grad_fn`
    prints as `kind`, and any use of it in backward raises torch's own error.
    """
    if kind not in _functions:
        _functions[kind] = _function(kind)
    with torch.enable_grad():
        leaf = torch.zeros((), dtype=torch.float32, device="cpu", requires_grad=True)
        marked = _functions[kind].apply(tensor, leaf)
        torch.autograd.backward([marked], [torch.zeros_like(marked)])  # frees what the node saved
    return marked


def _function(kind: str) -> Any:
    def forward(ctx: Any, tensor: Any, leaf: Any) -> Any:
        ctx.mark_dirty(tensor)
        ctx.save_for_backward(leaf)
        return tensor

    def backward(ctx: Any, *gradients: Any) -> Any:
        # The first time frees what was saved; asking for it the second time raises as the real graph does.
        _ = ctx.saved_tensors
        return None, None

    body = {"forward": staticmethod(forward), "backward": staticmethod(backward)}
    function: Any = type(kind, (torch.autograd.Function,), body)
    function._backward_cls.__name__ = kind
    return function
