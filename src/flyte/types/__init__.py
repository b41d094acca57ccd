"""How values travel: Python values of a declared type to the wire's literals and back, exactly.

What lives here: one node per hint (`_nodes`), its literals (`_converters`, `_literals`), the engine that joins them
(`_engine`), and what users extend: `TypeTransformer`, registered with `TypeEngine`.
What does not: inputs and outputs of tasks as messages (`flyte._wire`), files (`flyte.io`), any I/O.
"""

from flyte.types._nodes.pickles import FlytePickle
from flyte.types._public import Renderable, TypeEngine, guess_interface, literal_string_repr
from flyte.types._transformer import TypeTransformer, TypeTransformerFailedError

__all__ = [
    "FlytePickle",
    "Renderable",
    "TypeEngine",
    "TypeTransformer",
    "TypeTransformerFailedError",
    "guess_interface",
    "literal_string_repr",
]
