"""`examples/own_type.py`: what the documentation shows is what works."""

import ast
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[4] / "examples" / "own_type.py"


def test_the_example_runs() -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLE)], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.stdout.splitlines() == ["['Rex: 33.0 cm', 'Fido: 34.0 cm']"], done.stderr


def test_a_type_of_one_s_own_takes_ten_lines() -> None:
    tree = ast.parse(EXAMPLE.read_text())
    transformer = next(
        node for node in tree.body if isinstance(node, ast.ClassDef) and "Transformer" in node.name
    )
    written = ast.unparse(transformer).splitlines()

    assert len([line for line in written if line.strip()]) <= 10
