"""torch tensors and storages: shared memory stays shared, also with numpy; `.grad`, hooks and attributes are kept.

No torch kernel runs while saving: a forked child has no OpenMP threads and would hang on them. Bytes are read through
the storage's address; everything else asked of a tensor here is a field of it.
"""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator, Mapping
from typing import Any, Final
from weakref import WeakKeyDictionary

import numpy as np
import torch

from forkpoint.capture.adapters import _memory, _numpy_layout, _torch_graphs, numpy_arrays
from forkpoint.capture.adapters._attributes import attributes, fill
from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.errors import Refused
from forkpoint.model import BufferSource, ReduceContext, Reducer

_torch: Any = torch
_C: Any = torch._C
_plain_dispatch: Final = _C._disabled_torch_dispatch_impl
_COMPRESSED: Final = (torch.sparse_csr, torch.sparse_csc, torch.sparse_bsr, torch.sparse_bsc)


# --- storages -------------------------------------------------------------------------------------------------


def reduce_storage(storage: Any, context: ReduceContext) -> Any:
    """Bytes once; memory that belongs to an array (torch.from_numpy) stays the array's."""
    nbytes, kind = storage.nbytes(), storage.device.type
    if kind == "meta":
        return make_meta_storage, (nbytes,)
    if kind != "cpu":
        raise Refused(f"a tensor is in {kind} memory, which this version cannot save")
    if nbytes == 0:
        return make_storage, (0, 0, True, False, None)
    address = storage.data_ptr()
    owned = storage.resizable()
    known = _memory.blocks(context).find(address, nbytes)
    if known is None and not owned:
        known = _array_under(context, address, nbytes)
    if known is not None and known[1] is not storage:
        return make_lent_storage, (known[1], address - known[0], nbytes)
    source = context.buffer(_memory.view(address, nbytes))
    _memory.blocks(context).add(address, nbytes, storage)
    return make_storage, (nbytes, address % _memory.ALIGNMENT, owned, storage.is_shared(), source)


def reduce_typed_storage(storage: Any, context: ReduceContext) -> Any:
    """A typed storage is a dtype beside an untyped one."""
    return make_typed_storage, (storage._untyped_storage, storage.dtype)


_arrays: WeakKeyDictionary[Any, list[tuple[int, int, Any]]] = WeakKeyDictionary()


def _array_under(context: Any, address: int, nbytes: int) -> tuple[int, Any] | None:
    """(start, owner) of an array or buffer that owns this memory, among all that anything refers to.

    torch keeps the owner where Python cannot see it. Found by address, once per image and only if some tensor lies on
    memory torch did not allocate.
    """
    if context not in _arrays:
        owners: dict[int, tuple[int, int, Any]] = {}
        kinds = {bytearray, np.ndarray, *_subclasses(np.ndarray)}
        for found in [referent for referent in gc.get_referents(*gc.get_objects()) if type(referent) in kinds]:
            root = found
            while isinstance(root, np.ndarray) and isinstance(root.base, (np.ndarray, bytearray)):
                root = root.base
            if id(root) in owners:
                continue
            if isinstance(root, bytearray):
                start, length = _numpy_layout.address(np.frombuffer(root, np.uint8)) if root else 0, len(root)
            elif root.base is None and not root.dtype.hasobject:
                low, high = _numpy_layout.extent(root.shape, root.strides, root.itemsize)
                start, length = _numpy_layout.address(root) + low, high - low
            else:
                continue
            owners[id(root)] = (start, length, root)
        _arrays[context] = list(owners.values())
    for start, length, owner in _arrays[context]:
        if start <= address and address + nbytes <= start + length:
            return start, owner
    return None


def _subclasses(cls: Any) -> Iterator[Any]:
    for derived in cls.__subclasses__():
        yield derived
        yield from _subclasses(derived)


def _lend(owner: Any, offset: int, nbytes: int) -> Any:
    """`nbytes` bytes of an array's, bytearray's or storage's memory, as an array that keeps the owner alive."""
    if isinstance(owner, np.ndarray):
        memory = numpy_arrays.bytes_of(owner)
    elif isinstance(owner, bytearray):
        memory = np.frombuffer(owner, np.uint8)
    else:
        memory = _bytes_of_storage(owner)
    return memory[offset : offset + nbytes]


def _bytes_of_storage(storage: Any) -> Any:
    with torch.no_grad():
        return torch.empty(0, dtype=torch.uint8, device="cpu").set_(storage).numpy()


def make_storage(nbytes: int, residue: int, owned: bool, shared: bool, source: BufferSource | None) -> Any:
    """Fresh memory: torch's own (always aligned to 64), or at `residue` where something else had allocated it."""
    storage: Any
    if owned or residue == 0:
        storage = torch.UntypedStorage(nbytes, device="cpu")
        if shared:
            storage.share_memory_()
    else:
        how = (np.ndarray, np.dtype(np.uint8), (nbytes,), (1,), True)
        assert source is not None
        return torch.from_numpy(numpy_arrays.make_array(how, residue, source)).untyped_storage()
    if source is not None:
        source.readinto(_memory.view(storage.data_ptr(), nbytes))
    return storage


def make_meta_storage(nbytes: int) -> Any:
    """A storage without memory."""
    return torch.UntypedStorage(nbytes, device="meta")


def make_lent_storage(owner: Any, offset: int, nbytes: int) -> Any:
    """A storage over memory that an array (or another storage) owns."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a read-only array: the program was warned when it did this
        return torch.from_numpy(_lend(owner, offset, nbytes)).untyped_storage()


def make_typed_storage(storage: Any, dtype: Any) -> Any:
    """A typed storage over `storage`."""
    return torch.storage.TypedStorage(wrap_storage=storage, dtype=dtype, _internal=True)


# --- arrays over tensors --------------------------------------------------------------------------------------


def reduce_array_over_tensor(array: Any, tensor: Any, context: ReduceContext) -> Any:
    """`tensor.numpy()` and views of it: the memory is the tensor's storage's."""
    storage = tensor.untyped_storage()
    return reduce_array_over_storage(array, storage, context)


def reduce_array_over_storage(array: Any, storage: Any, context: ReduceContext) -> Any:
    """An array whose memory a storage owns."""
    offset = _numpy_layout.address(array) - storage.data_ptr() if array.size else 0
    return make_array_over_storage, (numpy_arrays.layout(array), storage, offset)


def make_array_over_storage(how: Any, storage: Any, offset: int) -> Any:
    """An array on a storage's memory."""
    cls, dtype, shape, strides, writeable = how
    array: Any = np.ndarray.__new__(cls, shape, dtype, _bytes_of_storage(storage), offset, strides)
    array.flags.writeable = writeable
    return array


numpy_arrays.FOREIGN[torch.Tensor] = reduce_array_over_tensor
numpy_arrays.FOREIGN[torch.UntypedStorage] = reduce_array_over_storage


# --- tensors --------------------------------------------------------------------------------------------------


def reduce_tensor(tensor: Any, context: ReduceContext) -> Any:
    """Any tensor. Raises errors.Refused for one with a graph that backward() could still use."""
    with _C.DisableTorchFunctionSubclass():
        return _reduce_tensor(tensor, context)


def _reduce_tensor(tensor: Any, context: ReduceContext) -> Any:
    cls = type(tensor)
    if isinstance(tensor, _torch.nn.parameter.UninitializedTensorMixin):
        return NotImplemented
    if _C._functorch.is_functorch_wrapped_tensor(tensor):
        raise Refused("a torch.func transform (vmap, grad) is at work")
    spent = _torch_graphs.spent(tensor, context)
    if _has_own_protocol(tensor):
        return NotImplemented  # which knows more; none of them runs kernels
    if tensor.layout != torch.strided:
        made = _reduce_sparse(tensor)
    elif tensor.device.type == "meta":
        made = make_meta, (tensor.dtype, tuple(tensor.shape), tensor.stride())
    elif _as_view(tensor):
        where = (tuple(tensor.shape), tensor.stride(), tensor.storage_offset())
        made = make_view, (tensor._base, *where)
    else:
        bits = (tensor.is_conj(), tensor.is_neg(), tensor.is_inference())
        where = (tensor.storage_offset(), tuple(tensor.shape), tensor.stride())
        made = make_strided, (tensor.untyped_storage(), tensor.dtype, *where, bits)
    role = (cls if cls is not torch.Tensor else None, bool(tensor.requires_grad), spent)
    return make_tensor, (*made, role), _state(tensor), None, None, fill_tensor


def _has_own_protocol(tensor: Any) -> bool:
    own_class = type(tensor).__torch_dispatch__ is not _plain_dispatch
    return own_class or tensor.is_quantized or tensor.is_mkldnn or tensor.is_nested


def _as_view(tensor: Any) -> bool:
    """Whether autograd must know that this is a view: writing into it later would give its base a history."""
    if not tensor._is_view() or tensor.grad_fn is not None or type(tensor) is not torch.Tensor:
        return False
    base = tensor._base
    if _has_own_protocol(base):
        return False  # which may say that the base is made of this view: there would be no end
    same = base.dtype == tensor.dtype and base.is_conj() == tensor.is_conj() and base.is_neg() == tensor.is_neg()
    return base.grad_fn is None and base.layout == torch.strided and same and not tensor.is_inference()


def _reduce_sparse(tensor: Any) -> Any:
    if tensor.layout == torch.sparse_coo:
        return make_sparse, (tensor._indices(), tensor._values(), tuple(tensor.shape), tensor.is_coalesced())
    if tensor.layout not in _COMPRESSED:
        raise Refused(f"a tensor has the layout {tensor.layout}, which this version cannot save")
    rows = tensor.layout in (torch.sparse_csr, torch.sparse_bsr)
    outer = tensor.crow_indices() if rows else tensor.ccol_indices()
    inner = tensor.col_indices() if rows else tensor.row_indices()
    return make_compressed, (outer, inner, tensor.values(), tuple(tensor.shape), tensor.layout)


def _state(tensor: Any) -> dict[str, Any] | None:
    state: dict[str, Any] = {}
    if (tensor.is_leaf or tensor.retains_grad) and tensor.grad is not None:
        state["grad"] = tensor.grad
    if tensor.retains_grad:
        state["retains_grad"] = True
    if tensor._backward_hooks and tensor.grad_fn is None:
        state["hooks"] = tensor._backward_hooks
    if getattr(tensor, "_post_accumulate_grad_hooks", None):
        state["post_hooks"] = tensor._post_accumulate_grad_hooks
    if extra := attributes(tensor):
        state["attributes"] = extra
    if not tensor.is_inference():
        state["version"] = tensor._version
    return state or None


def make_tensor(make: Any, arguments: Any, role: tuple[type | None, bool, str | None]) -> Any:
    """The tensor `make(*arguments)` in its role: class, requires_grad, and a spent graph if it had one."""
    cls, requires_grad, spent = role
    tensor = make(*arguments)
    if cls is not None:
        tensor = _torch.Tensor._make_subclass(cls, tensor, requires_grad and spent is None)
    if spent is not None:
        return _torch_graphs.make_spent(tensor, spent)
    if requires_grad and not tensor.requires_grad:
        tensor.requires_grad_(True)
    return tensor


def make_strided(
    storage: Any,
    dtype: Any,
    offset: int,
    shape: tuple[int, ...],
    stride: tuple[int, ...],
    bits: tuple[bool, bool, bool],
) -> Any:
    """A tensor on `storage`; offset and stride in elements."""
    conjugate, negative, inference = bits
    with torch.inference_mode() if inference else torch.no_grad():
        tensor: Any = torch.empty(0, dtype=dtype, device="cpu").set_(storage, offset, shape, stride)
        if conjugate:
            _C._set_conj(tensor, True)
        if negative:
            _C._set_neg(tensor, True)
    return tensor


def make_view(base: Any, shape: tuple[int, ...], stride: tuple[int, ...], offset: int) -> Any:
    """A view autograd knows about."""
    with torch.set_grad_enabled(not base.requires_grad):
        return base.as_strided(shape, stride, offset)


def make_meta(dtype: Any, shape: tuple[int, ...], stride: tuple[int, ...]) -> Any:
    """A tensor without memory."""
    return torch.empty_strided(shape, stride, dtype=dtype, device="meta")


def make_sparse(indices: Any, values: Any, shape: tuple[int, ...], coalesced: bool) -> Any:
    """A COO tensor on these indices and values."""
    with torch.no_grad():
        tensor: Any = torch.sparse_coo_tensor(indices, values, shape, check_invariants=False)
        return tensor._coalesced_(coalesced)


def make_compressed(outer: Any, inner: Any, values: Any, shape: tuple[int, ...], layout: Any) -> Any:
    """A CSR, CSC, BSR or BSC tensor on these indices and values."""
    with torch.no_grad():
        return torch.sparse_compressed_tensor(outer, inner, values, shape, layout=layout, check_invariants=False)


def fill_tensor(tensor: Any, state: dict[str, Any]) -> None:
    """What may refer back to the tensor: its gradient, hooks and Python attributes; how often it was
    written to, which views share with their base, and programs compare to know when something is out of date.
    """
    fill(tensor, state.get("attributes"))
    if state.get("retains_grad"):
        tensor.retain_grad()
    if "grad" in state:
        tensor.grad = state["grad"]
    if "hooks" in state:
        tensor._backward_hooks = state["hooks"]
    if "post_hooks" in state:
        tensor._post_accumulate_grad_hooks = state["post_hooks"]
    if "version" in state:
        _set_version(tensor, state["version"])


def _set_version(tensor: Any, version: int) -> None:
    try:
        _C._autograd._unsafe_set_version_counter((tensor,), (version,))
    except TypeError:  # older versions of torch take one
        _C._autograd._unsafe_set_version_counter(tensor, version)


def reduce_limits(limits: Any, context: ReduceContext) -> Any:
    """torch.finfo and torch.iinfo, which torch does not pickle."""
    return make_limits, (type(limits), limits.dtype)


def make_limits(cls: Any, dtype: str) -> Any:
    """What a number type can hold."""
    return cls(getattr(torch, dtype))


class _Tensors(Quiet):
    name = "torch_tensors"
    module = "torch"

    def reducers(self) -> Mapping[type, Reducer]:
        return {
            torch.Tensor: reduce_tensor,
            torch.UntypedStorage: reduce_storage,
            torch.storage.TypedStorage: reduce_typed_storage,
            torch.finfo: reduce_limits,
            torch.iinfo: reduce_limits,
        }

    def unfinished(self, value: Any, name: str) -> Refused | None:
        """An open graph (`capture.unfinished`)."""
        return _torch_graphs.unfinished(value, name)


ADAPTER = _Tensors()
