"""A space's TOML file → a validated space: what all designs share, what varies, bounds, what costs are counted for.

where = "params<=10M, fov>=512"    bounds; see `where.py`
input = [512, 512]                 (height, width) of the images, "512x512", or one side; by default the design size
batch = 8                          images at once, for activations and memory, as the next two
precision = "bf16"
optimizer = "adamw"
[network]                          what all designs share, in the words of `sunetlab build`; widths by rule if not said
[factors]                          word = [level, level, …] or a text; see `factors.py`
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator

from sunetlab.analysis.memory import Setting
from sunetlab.analysis.plan import Size
from sunetlab.files import read_table, validate
from sunetlab.space.arrays.view import Training
from sunetlab.space.space import Space

Side = Annotated[int, Field(strict=True, ge=1, le=99_999)]


class SpaceFile(BaseModel):
    """A space, as it is said; see the module's text for its keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    network: dict[str, Any] = {}
    factors: dict[str, list[Any] | str] = {}
    where: str | None = None
    input: tuple[Side, Side] | None = None
    batch: Annotated[int, Field(strict=True, ge=1, le=2**31)] = 1
    precision: Literal["fp32", "bf16"] = "fp32"
    optimizer: Literal["sgd", "adamw"] = "sgd"

    @field_validator("input", mode="before")
    @classmethod
    def _sides(cls, value: Any) -> Any:
        """512, [512, 1024] or "512x1024"."""
        if isinstance(value, str):
            match = re.fullmatch(r"([0-9]{1,5})(?:x([0-9]{1,5}))?", value)
            if match is None:
                raise ValueError(f"{value!r}: must be a side, such as 512, or HxW, such as 512x1024")
            return int(match[1]), int(match[2] or match[1])
        return (value, value) if isinstance(value, int) else value

    @classmethod
    def load(cls, path: Path) -> Self:
        """The space in a TOML or JSON file.

        Raises:
            InputError: naming the file, the key, the value and the rule.
        """
        return validate(cls, read_table(path), str(path))

    def changed(self, factors: Mapping[str, Any], words: Mapping[str, Any], others: Mapping[str, Any]) -> Self:
        """This with some factors, shared words and other keys said anew; what was the one becomes the other.

        A filter is added to the one that is there.

        Raises:
            InputError: a value that a key does not take.
        """
        said = self.model_dump()
        for name in factors:
            said["network"].pop(name, None)
        for name in words:
            said["factors"].pop(name, None)
        said["factors"] |= factors
        said["network"] |= words
        if said["where"] and others.get("where"):
            others = {**others, "where": f"{said['where']}, {others['where']}"}
        return validate(type(self), {**said, **others})

    @property
    def size(self) -> Size | None:
        """(height, width) of the images."""
        return self.input

    @property
    def training(self) -> Training:
        """What activations and memory are counted for."""
        return Training(self.batch, Setting(precision=self.precision, optimizer=self.optimizer))

    def space(self) -> Space:
        """Its designs; widths follow the rule where nothing is said of them: one rule must serve all."""
        said = self.network.keys() | self.factors.keys()
        network = self.network if "widths" in said else {**self.network, "widths": "rule"}
        return Space(network, self.factors, self.size)
