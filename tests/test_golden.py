"""The golden files' own rule: a file is compared or rewritten, never both, and nothing passes without a file."""

from pathlib import Path

import pytest

from tests.conftest import compare_with_file


def test_golden_files(tmp_path: Path) -> None:
    path = tmp_path / "golden" / "numbers.json"
    with pytest.raises(AssertionError, match=r"numbers\.json is missing"):
        compare_with_file(path, {"a": (1, 2.5)}, refresh=False)
    assert not path.exists()
    assert compare_with_file(path, {"a": (1, 2.5)}, refresh=True)
    assert path.read_text() == '{\n  "a": [\n    1,\n    2.5\n  ]\n}\n'
    assert not compare_with_file(path, {"a": (1, 2.5)}, refresh=True)
    assert not compare_with_file(path, {"a": [1, 2.5]}, refresh=False)
    with pytest.raises(AssertionError, match="differs from"):
        compare_with_file(path, {"a": (1, 2)}, refresh=False)
    assert "2.5" in path.read_text()
