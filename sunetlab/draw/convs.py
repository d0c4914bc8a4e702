"""What figures say of a convolution: its colour, its kernel, its name among the levels of a module."""

from sunetlab.analysis.plan import Layer


def tone(layer: Layer) -> str:
    """A convolution's colour."""
    if layer.kind == "conv_transpose":
        return "up"
    if layer.kernel == 1:
        return "point"
    return "down" if layer.stride > 1 else "conv"


def kernel_words(layer: Layer) -> str:
    """Kernel, stride and dilation: `3×3 ↓2 dil 4`; an arrow up stands for a transposed convolution."""
    kernel = f"{layer.kernel}×{layer.kernel}"
    if layer.kind == "conv_transpose":
        kernel += f" ↑{layer.stride}"
    elif layer.stride > 1:
        kernel += f" ↓{layer.stride}"
    return kernel + (f" dil {layer.dilation}" if layer.dilation > 1 else "")


def sentence(layer: Layer) -> str:
    """The same in full."""
    kind = "transposed convolution" if layer.kind == "conv_transpose" else "convolution"
    return f"{layer.kernel}×{layer.kernel} {kind}, stride {layer.stride}, dilation {layer.dilation}"


def u_net(depth: int) -> str:
    """The paper's name for a module (§4)."""
    return "U-Net+" if depth == 1 else "U-Net"
