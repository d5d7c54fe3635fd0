"""rdkit: molecules with all that they hold. By default their pickles have no properties, and coordinates in single
precision, with which an optimization would go on elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from rdkit.Chem import rdchem

from forkpoint.capture.adapters._attributes import attributes, fill
from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.model import ReduceContext, Reducer

_options: Any = rdchem.PropertyPickleOptions
_WHOLE: Final = int(_options.AllProps) | int(_options.CoordsAsDouble)


def reduce_molecule(molecule: Any, context: ReduceContext) -> Any:
    """By rdkit's own bytes, of everything."""
    return make_molecule, (type(molecule), molecule.ToBinary(_WHOLE)), attributes(molecule), None, None, fill


def make_molecule(cls: Any, content: bytes) -> Any:
    """A molecule of these bytes."""
    return cls(content)


class _Molecules(Quiet):
    name = "rdkit_molecules"
    module = "rdkit.Chem.rdchem"

    def reducers(self) -> Mapping[type, Reducer]:
        return {rdchem.Mol: reduce_molecule}


ADAPTER = _Molecules()
