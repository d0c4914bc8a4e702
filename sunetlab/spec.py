"""What a network is: one frozen, validated, hashable description, read and written as TOML or JSON.

`SUNetSpec` is complete and resolved: one depth, width and dilation per block, no default left open. `Words` are
what a designer says (`depth=2`, `output_stride=8`); `SUNetSpec.make` resolves them.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from sunetlab import rules
from sunetlab.errors import InputError
from sunetlab.files import read_table, shown, validate, write_table
from sunetlab.whole import plain

Task = Literal["classification", "segmentation"]
Downsampling = Literal["multigrid", "strided"]
Connectivity = Literal["identity", "dense"]
StemName = Literal["paper", "small"]
WidthsRule = Literal["auto", "table", "rule"]

Count = Annotated[int, Field(strict=True, ge=1, le=2**20), BeforeValidator(plain)]
Depth = Annotated[int, Field(strict=True, ge=1, le=8), BeforeValidator(plain)]
Flag = Annotated[bool, Field(strict=True)]

DEFAULT_CLASSES: dict[Task, int] = {"classification": 1000, "segmentation": 21}  # ImageNet; VOC with its background
MOST_MODULES = 4096  # far beyond any network that trains; keeps a slip of the finger from building forever


class Words(BaseModel):
    """How a designer says a network; each word that is a rule is resolved by `SUNetSpec.make`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    depth: Depth | tuple[Depth, ...] = 2
    n: Count = 64
    stacks: tuple[Count, ...] = (2, 4, 4, 1)
    widths: WidthsRule | tuple[Count, ...] = "auto"
    dilations: tuple[Count, ...] | None = None
    output_stride: Count | None = None
    downsampling: Downsampling = "multigrid"
    connectivity: Connectivity = "identity"
    degrid: Flag = False
    stem: StemName = "paper"
    stem_width: Count = 128
    in_channels: Count = 3
    task: Task = "classification"
    num_classes: Count | None = None


class Module(NamedTuple):
    """Maps into and out of one u-net module, and how many it adds by concatenation (0 where it adds by sum)."""

    in_channels: int
    out_channels: int
    growth: int


@dataclass(frozen=True, slots=True)
class Block:
    """One block of a network: what precedes it, its modules, the geometry of their levels."""

    index: int
    pool: bool
    dilation: int
    levels: tuple[rules.Level, ...]
    modules: tuple[Module, ...]


class SUNetSpec(BaseModel):
    """One stacked u-net, complete and resolved.

    Attributes:
        depth: levels of the u-net modules of each block (§3.1; 1 is the paper's U-Net+).
        n: maps of every convolution inside a module (N in Table 1).
        stacks: modules in each block.
        widths: maps at the end of each block.
        dilations: dilation of each block, never falling; the pool is dropped where it grows (§5.1).
        downsampling: "multigrid" runs a dilated block at stride 1 (§5.2), "strided" keeps its strides (Table 4).
        connectivity: "identity" adds a module's output to its input, "dense" concatenates it (§3.1).
        degrid: two 3×3 convolutions of 512 maps, dilations 2 and 1, after the last block (§5.3).
        stem: "paper" (7×7, output stride 4) or "small" (3×3, stride 1, for images of 32 pixels).
        stem_width: maps at the end of the stem; its first convolution has half of them.
        in_channels: channels of the input.
        task: "classification" (mean over the map, linear) or "segmentation" (1×1 convolution, bilinear).
        num_classes: classes of the head.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    depth: tuple[Depth, ...]
    n: Count
    stacks: tuple[Count, ...]
    widths: tuple[Count, ...]
    dilations: tuple[Count, ...]
    downsampling: Downsampling = "multigrid"
    connectivity: Connectivity = "identity"
    degrid: Flag = False
    stem: StemName = "paper"
    stem_width: Count = 128
    in_channels: Count = 3
    task: Task = "classification"
    num_classes: Count = 1000

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if not self.stacks:
            raise ValueError("stacks: empty: a network has at least one block")
        if sum(self.stacks) > MOST_MODULES:
            raise ValueError(f"stacks: {shown(self.stacks)}: at most {MOST_MODULES} modules in all")
        for field in ("depth", "widths", "dilations"):
            value = getattr(self, field)
            if len(value) != len(self.stacks):
                raise ValueError(
                    f"{field}: {shown(value)}: has {len(value)} entries, but stacks {shown(self.stacks)} "
                    f"has {len(self.stacks)}: one per block"
                )
        if list(self.dilations) != sorted(self.dilations):
            raise ValueError(f"dilations: {shown(self.dilations)}: must never fall from block to block")
        if self.stem_width % 2:
            raise ValueError(f"stem_width: {self.stem_width}: must be even: the first convolution has half of it")
        if self.connectivity == "dense":
            before = self.stem_width
            for width, modules in zip(self.widths, self.stacks, strict=True):
                if width - before < modules:
                    raise ValueError(
                        f"widths: {shown(self.widths)}: too little growth for dense connectivity: from {before} to "
                        f"{width} maps, but each of {modules} modules must add at least one"
                    )
                before = width
        return self

    @classmethod
    def make(cls, **words: Any) -> Self:
        """The network that `words` describe (see `Words`): rules applied, everything written out.

        `depth` is one number, trimmed where maps are small, or one per block. `widths` is "table" (Table 1),
        "rule" (the paper's words as a formula), "auto" (the table where it has the stacks, else the rule) or one
        per block. Dilations are one per block, or follow from `output_stride`.

        >>> SUNetSpec.make(depth=2, n=128, stacks=(2, 7, 7, 1)).widths
        (512, 1280, 2048, 2304)

        Raises:
            InputError: naming the word, its value and the rule.
        """
        return cls._resolve(validate(Words, words))

    @classmethod
    def _resolve(cls, words: Words) -> Self:
        blocks = len(words.stacks)
        resolved = words.model_dump(exclude={"output_stride"})
        if isinstance(words.depth, int):
            resolved["depth"] = rules.trimmed_depths(words.depth, blocks, words.stem)
        resolved["widths"] = _widths(words)
        resolved["dilations"] = _dilations(words)
        if words.num_classes is None:
            resolved["num_classes"] = DEFAULT_CLASSES[words.task]
        return validate(cls, resolved)

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """The network in a `.toml` or `.json` file, resolved or in words.

        Raises:
            InputError: naming the file, the key, the value and the rule.
        """
        table = read_table(Path(path))
        try:
            return cls.make(**table)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None

    def save(self, path: Path | str) -> None:
        """Write this network to a `.toml` or `.json` file, whole or not at all."""
        write_table(Path(path), self.model_dump(mode="json"), comment=f"SUNet {self.id}: {self.summary}")

    def words(self) -> dict[str, Any]:
        """The shortest words that make this network: `SUNetSpec.make(**spec.words()) == spec`."""
        blocks = len(self.stacks)
        words: dict[str, Any] = self.model_dump(exclude_defaults=True, exclude={"num_classes"})
        if self.depth == rules.trimmed_depths(max(self.depth), blocks, self.stem):
            words["depth"] = max(self.depth)
        if self.widths_rule != "by hand":
            words["widths"] = self.widths_rule
            if self.widths == _widths(Words(n=self.n, stacks=self.stacks)):
                del words["widths"]
        if self.dilations == rules.dilations_by_output_stride(self.output_stride, blocks, self.stem):
            del words["dilations"]
            if self.dilations[-1] > 1:
                words["output_stride"] = self.output_stride
        if self.num_classes != DEFAULT_CLASSES[self.task]:
            words["num_classes"] = self.num_classes
        return words

    def replace(self, **words: Any) -> Self:
        """This network said again with some words changed; what followed a rule follows it again.

        >>> SUNetSpec.make(n=128).replace(n=64) == SUNetSpec.make(n=64)
        True

        Raises:
            InputError: also where something given by hand no longer fits.
        """
        kept = self.words()
        if "dilations" in words:
            kept.pop("output_stride", None)
        if "output_stride" in words:
            kept.pop("dilations", None)
        return type(self).make(**{**kept, **words})

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Pydantic's copy, unchecked, without what was computed from the original; rather use `replace`."""
        copied = super().model_copy(update=update, deep=deep)
        for computed in ("blocks", "id"):
            copied.__dict__.pop(computed, None)
        return copied

    @property
    def widths_rule(self) -> str:
        """Where the widths come from: "table" (Table 1), "rule", or "by hand"."""
        if self.widths == rules.widths_by_table(self.n, self.stacks):
            return "table"
        return "rule" if self.widths == rules.widths_by_rule(self.n, self.stacks) else "by hand"

    @property
    def output_stride(self) -> int:
        """Input pixels per pixel of the last block's map, along a side."""
        return rules.output_stride(self.dilations, self.stem)

    @property
    def design_size(self) -> tuple[int, int]:
        """The input size, (height, width) in pixels, for which depths are trimmed."""
        return (rules.STEMS[self.stem].design_side,) * 2

    @property
    def head_width(self) -> int:
        """Maps that the head's classifier takes."""
        return rules.DEGRID_WIDTH if self.degrid else self.widths[-1]

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """Every block with its modules' maps and its levels' geometry: what the plan and the network both read."""
        blocks, before = [], self.stem_width
        for index, pool in enumerate(rules.pools(self.dilations)):
            width, stack, dilation = self.widths[index], self.stacks[index], self.dilations[index]
            modules = []
            for growth in rules.shares(width - before, stack) if self.connectivity == "dense" else (0,) * stack:
                after = before + growth if growth else width
                modules.append(Module(before, after, growth))
                before = after
            levels = rules.levels(self.depth[index], dilation, self.downsampling)
            blocks.append(Block(index, pool, dilation, levels, tuple(modules)))
        return tuple(blocks)

    @cached_property
    def id(self) -> str:
        """Ten hexadecimal digits by content; a field added later leaves them as they are where it has its default."""
        content = json.dumps(self.model_dump(mode="json", exclude_defaults=True), sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:10]

    @property
    def summary(self) -> str:
        """The network in its own words, on one line."""
        return " ".join(f"{word}={shown(value).strip(chr(39))}" for word, value in self.words().items())


def _widths(words: Words) -> tuple[int, ...]:
    by_table = rules.widths_by_table(words.n, words.stacks)
    match words.widths:
        case "auto":
            return by_table or rules.widths_by_rule(words.n, words.stacks)
        case "table":
            if by_table is None:
                known = " and ".join(shown(stacks) for stacks in rules.TABLE1_MULTIPLES)
                raise InputError(f"widths: table: Table 1 has no stacks {shown(words.stacks)}, only {known}")
            return by_table
        case "rule":
            return rules.widths_by_rule(words.n, words.stacks)
        case by_hand:
            return by_hand


def _dilations(words: Words) -> tuple[int, ...]:
    blocks = len(words.stacks)
    if words.dilations is not None:
        if words.output_stride is not None and rules.output_stride(words.dilations, words.stem) != words.output_stride:
            raise InputError(
                f"output_stride: {words.output_stride}: dilations {shown(words.dilations)} give an output stride "
                f"of {rules.output_stride(words.dilations, words.stem)}; give one of the two"
            )
        return words.dilations
    if words.output_stride is None:
        return (1,) * blocks
    dilations = rules.dilations_by_output_stride(words.output_stride, blocks, words.stem)
    if dilations is None:
        first = rules.STEMS[words.stem].stride ** 2
        known = ", ".join(str(first * 2**block) for block in range(min(blocks, 20)))
        raise InputError(
            f"output_stride: {words.output_stride}: stem {words.stem} with {blocks} blocks can have {known}"
        )
    return dilations
