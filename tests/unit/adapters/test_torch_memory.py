"""Tensors and their memory: views, what numpy shares with torch, every kind of tensor."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from in_memory import again, buffers_of
from torch import nn

from forkpoint.capture import mappings

pytestmark = pytest.mark.filterwarnings("ignore:Sparse CS")  # torch's own, of what is done here on purpose


def test_views_share_one_storage_that_is_stored_once() -> None:
    base = torch.arange(100_000.0)
    parts = {
        "base": base,
        "row": base.view(100, 1000)[3],
        "flipped": base.view(100, 1000).t()[5:, 2],
        "data": base.data,
    }
    assert buffers_of(parts) == [400_000]
    back = again(parts)
    for name, part in parts.items():
        assert back[name].stride() == part.stride() and back[name].storage_offset() == part.storage_offset()
        assert torch.equal(back[name], part)
        assert back[name].untyped_storage().data_ptr() == back["base"].data_ptr()
    back["base"].zero_()
    assert not back["row"].any() and not back["flipped"].any()
    assert back["row"]._base is back["base"]


@pytest.mark.parametrize("first", ["array", "tensor"])
def test_a_tensor_on_an_array_shares_its_memory_whoever_is_saved_first(first: str) -> None:
    array = np.arange(1000.0)
    tensor = torch.from_numpy(array[2:])
    twin = torch.from_numpy(array)
    pair = (array, tensor, twin) if first == "array" else (tensor, twin, array)
    back = again(pair)
    a, t, w = (back[0], back[1], back[2]) if first == "array" else (back[2], back[0], back[1])
    a[2] = -5
    assert t[0] == -5 and w[2] == -5
    assert a.flags.owndata and t.data_ptr() % 64 == tensor.data_ptr() % 64


def test_an_array_on_a_tensor_shares_its_memory() -> None:
    tensor = torch.zeros(4, 5)
    array = tensor.numpy()
    part = array[1:, ::2]
    p, t = again((part, tensor))
    t[3, 4] = 8
    assert p[2, 2] == 8 and p.strides == part.strides


def test_an_array_only_torch_holds_keeps_its_alignment() -> None:
    for _ in range(8):
        tensor = torch.from_numpy(np.random.rand(513))
        back = again(tensor)
        assert torch.equal(back, tensor) and back.data_ptr() % 64 == tensor.data_ptr() % 64


def test_a_tensor_on_a_bytearray_shares_it() -> None:
    data = bytearray(16)
    tensor = torch.frombuffer(data, dtype=torch.uint8)
    back, b = again((tensor, data))
    b[3] = 7
    assert back[3] == 7


TENSORS = {
    "bfloat16": torch.randn(5).bfloat16(),
    "float8": torch.randn(5).to(torch.float8_e4m3fn),
    "uint16": torch.tensor([1, 2, 60000], dtype=torch.uint16),
    "complex": torch.randn(5, dtype=torch.complex64),
    "conjugate": torch.randn(5, dtype=torch.complex64).conj(),
    "negative": torch.randn(5, dtype=torch.complex64).conj().imag,
    "boolean": torch.tensor([True, False]),
    "scalar": torch.tensor(3.5),
    "empty": torch.empty(0, 3),
    "expanded": torch.ones(3, 1).expand(3, 4),
    "channels last": torch.randn(2, 3, 4, 5).contiguous(memory_format=torch.channels_last),
}


@pytest.mark.parametrize("tensor", TENSORS.values(), ids=TENSORS.keys())
def test_every_kind_of_dense_tensor(tensor: Any) -> None:
    back = again(tensor)
    assert (back.dtype, back.shape, back.stride()) == (tensor.dtype, tensor.shape, tensor.stride())
    assert back.is_conj() == tensor.is_conj() and back.is_neg() == tensor.is_neg()
    as_bytes = [t.resolve_conj().resolve_neg().contiguous().reshape(-1).view(torch.uint8) for t in (back, tensor)]
    assert torch.equal(*as_bytes)


@pytest.mark.parametrize("layout", ["coo", "csr", "csc"])
def test_sparse_tensors(layout: str) -> None:
    dense = torch.tensor([[0.0, 2.0], [3.0, 0.0]])
    sparse = {"coo": dense.to_sparse, "csr": dense.to_sparse_csr, "csc": dense.to_sparse_csc}[layout]()
    back = again(sparse)
    assert back.layout == sparse.layout and torch.equal(back.to_dense(), dense)


def test_meta_tensors_quantized_tensors_and_lazy_parameters() -> None:
    assert again(torch.empty(3, 4, device="meta")).device.type == "meta"
    assert isinstance(again(nn.LazyLinear(3)).weight, nn.parameter.UninitializedParameter)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors:UserWarning")
def test_a_nested_tensor_whose_buffer_says_it_is_a_view_of_it() -> None:
    nested = torch.nested.nested_tensor([torch.ones(2), torch.arange(3.0)])
    assert [part.tolist() for part in again(nested)] == [[1, 1], [0, 1, 2]]


def test_what_a_number_type_can_hold() -> None:
    floats, integers = again((torch.finfo(torch.float16), torch.iinfo(torch.int8)))
    assert floats == torch.finfo(torch.float16) and integers == torch.iinfo(torch.int8)


def test_torchs_shared_memory_stays_what_it_was_too() -> None:
    """Its file has no name any more; a DataLoader's workers send their batches in such memory."""
    mappings.look_again()
    shared = torch.zeros(3).share_memory_()
    found = mappings.at_commit()
    assert not any("torch_" in path for path in found.paths), "there is no file to put back"
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        mappings.hold_still(found)
        os.read(reader, 1)
        os._exit(shared.tolist() != [0, 0, 0])
    shared += 1
    os.write(writer, b"x")
    assert os.waitpid(child, 0)[1] == 0
    os.close(reader)
    os.close(writer)


def test_how_often_a_tensor_was_written_to() -> None:
    base, weight = torch.zeros(6), nn.Parameter(torch.zeros(2))
    part = base[2:4]
    part += 1
    base.mul_(2)
    with torch.no_grad():
        weight += 1
    back = again({"part": part, "base": base, "weight": weight, "new": torch.ones(1)})
    assert [back[name]._version for name in ("part", "base", "weight", "new")] == [2, 2, 1, 0]
    back["part"] += 1
    assert back["base"]._version == 3
