"""Where the boxes of a network — the whole, its blocks, its modules — begin and end among the ops of its skeleton."""

from sunetlab.analysis.fov.hulls import Op, skeleton
from sunetlab.analysis.plan import Plan
from sunetlab.errors import InputError
from sunetlab.spec import Block

IMAGE = -1  # in place of an op


class Boxes:
    """A plan's skeleton, and names for what is in it.

    Attributes:
        plan: the network at an input size.
        bones: its skeleton.
        index: layer's name → its place in the plan.
        head: the op of the head's grid: the network's last one before a pool over the whole map, or a resize.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.bones = skeleton(plan)
        self.index = {layer.name: index for index, layer in enumerate(plan.layers)}
        self.head = self.bones.op_of[-1 if plan.spec.task == "classification" else -2]

    def op(self, layer: str) -> int:
        """The op whose field a layer has."""
        return self.bones.op_of[self.index[layer]]

    def begin(self, block: Block, module: int) -> int:
        """The op whose map a module takes; modules count from the end where negative."""
        return self.op(f"{module_name(block, module)}.reduce")

    def end(self, block: Block, module: int) -> int:
        """The op that joins what a module gives to its input."""
        return self.op(f"{module_name(block, module)}.{'concat' if block.modules[module].growth else 'add'}")

    def jump(self, op: int) -> int:
        """Pixels of the image from one position of an op to the next."""
        return self.bones.ops[op].jump if op != IMAGE else 1

    def size(self, op: int) -> tuple[int, int]:
        """(height, width) of an op's map."""
        return self.bones.ops[op].layer.out_size if op != IMAGE else self.plan.size

    def between(self, begin: int, end: int) -> tuple[Op, ...]:
        """The ops after `begin`, up to `end`."""
        return self.bones.ops[begin + 1 : end + 1]

    def find(self, box: str) -> tuple[int, int]:
        """(the op where a box begins, the op whose map it gives).

        A box is "network", "resized", "block 1", a module ("blocks.0.unets.1") or any layer's name; a layer begins
        where its module does, a pool between blocks on the map that it takes, the stem's on the image, and the head's
        at the last block's end.

        Raises:
            InputError: no such box; a layer that has no map.
        """
        blocks = self.plan.spec.blocks
        if box in ("network", "resized"):
            if box == "resized" and self.plan.spec.task == "classification":
                raise InputError("resized: a network for classification is not resized to its input")
            return IMAGE, self.head if box == "network" else len(self.bones.ops) - 1
        for block in blocks:
            if box == f"block {block.index + 1}":
                return self.begin(block, 0), self.end(block, -1)
            for module in range(len(block.modules)):
                if box == module_name(block, module) or box.startswith(f"{module_name(block, module)}."):
                    begin = self.begin(block, module)
                    return begin, self.end(block, module) if box == module_name(block, module) else self._layer(box)
        end = self._layer(box)
        if box.startswith("blocks."):
            return self.bones.ops[end].sources[0], end
        return (IMAGE if box.startswith("stem.") else self.end(blocks[-1], -1)), end

    def _layer(self, box: str) -> int:
        index = self.index.get(box)
        if index is None or index >= len(self.bones.op_of):
            rule = "known are network, resized, block 1, …, blocks.0.unets.0, …, and layers that have a map"
            raise InputError(f"{box!r}: no such box in this network: {rule}")
        return self.bones.op_of[index]


def module_name(block: Block, module: int) -> str:
    """The dotted name of a module; modules count from the end where negative."""
    return f"blocks.{block.index}.unets.{module % len(block.modules)}"
