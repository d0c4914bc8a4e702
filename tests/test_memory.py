"""Memory: to the byte what autograd saves, what lives through a pass, and what a training step takes at its worst."""

import csv
import io
import json
import random
import time
from typing import Any

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from sunetlab import InputError, SUNetSpec, analyze, build, preset
from sunetlab.analysis.memory import Memory, Setting, memory
from sunetlab.analysis.memory.optimizer import state
from sunetlab.analysis.memory.sizes import sizes
from sunetlab.analysis.plan import plan
from sunetlab.model import sunet
from sunetlab.model.blocks import resize
from sunetlab.train.evaluate import loss_sum
from tests.allocated import Trained, batch_of, living, made, saved_by_layer, saved_bytes
from tests.conftest import Said
from tests.specs import random_size, random_spec

SEEDS = st.integers(0, 2**32)
Case = tuple[SUNetSpec, tuple[int, int], int, Setting]


def drawn(seed: int, **fixed: Any) -> Case:
    """A network, an input, a batch and a setting, at random."""
    rng = random.Random(seed)
    spec = random_spec(rng)
    setting = Setting(
        precision=rng.choice(("fp32", "bf16")),
        channels_last=rng.random() < 0.5,
        optimizer=rng.choice(("sgd", "adamw")),
        momentum=rng.random() < 0.7,
        weight_decay=rng.random() < 0.7,
        label_smoothing=rng.random() < 0.5,
        device="cpu",
        variant=rng.choice((None, "loop", "foreach", "fused")),
        inference_mode=rng.random() < 0.5,
    )
    return spec, random_size(rng, spec), rng.randint(2, 4), setting._replace(**fixed)


def kept(found: Memory) -> dict[str, int]:
    return {row.layer.name: row.bytes for row in found.rows if row.bytes}


# What is kept for the backward pass.


def test_a_tiny_network_by_hand() -> None:
    """Two images of 8×8, all maps counted on paper: 40 of 8×8, 8 of 4×4, and the mean of 4."""
    words: dict[str, Any] = {"stacks": (1,), "widths": (4,), "stem": "small", "stem_width": 4, "in_channels": 1}
    found = memory(plan(SUNetSpec.make(depth=1, n=2, num_classes=3, **words), (8, 8)), batch=2)
    module = "blocks.0.unets.0"
    large = {"stem.conv": 2, "stem.residual.norm.relu": 2, "stem.residual.conv1": 4, "stem.residual.norm2.relu": 4}
    large |= {"stem.residual.add": 4, f"{module}.norm.relu": 4, f"{module}.reduce": 2}
    large |= {f"{module}.down.0.sample.norm.relu": 2, f"{module}.up.0.sample.conv": 2}
    large |= {f"{module}.up.0.conv.norm.relu": 2, f"{module}.up.0.conv.conv": 2, f"{module}.expand.norm.relu": 2}
    large |= {f"{module}.add": 4, "norm.relu": 4}
    small = ("down.0.sample.conv", "down.0.conv.norm.relu", "down.0.conv.conv", "up.0.sample.norm.relu")
    maps = {name: 2 * 4 * channels * 64 for name, channels in large.items()}
    maps |= {f"{module}.{name}": 2 * 4 * 2 * 16 for name in small} | {"pool": 2 * 4 * 4}
    assert {row.layer.name: row.map for row in found.rows if row.map} == maps
    assert found.activations == 8 * (40 * 64 + 8 * 16 + 4) + 2 * 4 * (2 + 4 + 4 + 2 + 2 + 2 + 2 + 2 + 4)
    # worst: the module's input and entry (4 + 4), the level's map (2 of 4×4), its way up, BN-ReLU'd (2 + 2), 4 more
    assert (found.inference.own, found.inference.at) == (8 * (16 * 64 + 2 * 16), f"{module}.expand.conv")
    assert (found.image, found.targets, found.loss) == (2 * 64 * 4, 2 * 8, 2 * 3 * 4 + 4)


def check_saved(spec: SUNetSpec, size: tuple[int, int], batch: int, setting: Setting) -> None:
    """Of the device that is the default here."""
    laid_out, (model, images) = plan(spec, size), made(spec, size, batch, setting)
    assert kept(memory(laid_out, batch, setting)) == saved_by_layer(laid_out, model, images, setting)


@given(SEEDS)
@settings(max_examples=40)
def test_saved_tensors(seed: int) -> None:
    check_saved(*drawn(seed))


@pytest.mark.slow
@given(SEEDS)
@settings(max_examples=500)
def test_saved_tensors_of_many(seed: int) -> None:
    check_saved(*drawn(seed))


@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("sunet-128-os8", 512),
        pytest.param("sunet-64", 224, marks=pytest.mark.slow),
        pytest.param("sunet-7-128", 224, marks=pytest.mark.slow),
        pytest.param("sunet-7-128-os16", 512, marks=pytest.mark.slow),
    ],
)
def test_published_networks_without_data(name: str, side: int) -> None:
    """Shapes alone, on the meta device: what is saved, and what lives through inference."""
    spec, setting = preset(name), Setting()
    with torch.device("meta"):
        check_saved(spec, (side, side), 2, setting)
        check_inference(spec, (side, side), 2, setting)


def check_on_fake_gpu(spec: SUNetSpec, size: tuple[int, int], batch: int, setting: Setting) -> None:
    """What a GPU would save and hold, by tensors that have a device and no data: cuDNN's BN, autocast's own rules."""
    setting = setting._replace(device="cuda", inference_mode=False)  # in it BN's own results are not to be seen
    with FakeTensorMode(), torch.device("cuda"):
        check_saved(spec, size, batch, setting)
        check_inference(spec, size, batch, setting)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("task", ["classification", "segmentation"])
def test_a_gpu_that_is_not_there(task: str, precision: str) -> None:
    spec = SUNetSpec.make(depth=2, n=5, stacks=(1, 1), widths=(9, 12), stem_width=8, task=task, num_classes=11)
    check_on_fake_gpu(spec, (41, 58), 2, Setting(precision=precision))  # type: ignore[arg-type]


@pytest.mark.slow
@given(SEEDS)
@settings(max_examples=60)
def test_many_on_a_gpu_that_is_not_there(seed: int) -> None:
    check_on_fake_gpu(*drawn(seed))


@pytest.mark.parametrize("smoothing", [False, True])
@pytest.mark.parametrize("name", ["sunet-64", "sunet-64-os32"])
def test_saved_by_the_loss(name: str, smoothing: bool) -> None:
    spec, size = preset(name), (40, 60)
    _, targets = batch_of(spec, size, 2)
    logits = torch.zeros(2, spec.num_classes, *targets.shape[1:], requires_grad=True)
    saved = saved_bytes(lambda: loss_sum(logits, targets, 0.1 * smoothing), [logits, targets])
    assert memory(plan(spec, size), 2, Setting(label_smoothing=smoothing)).loss == saved


# What is there at rest, and sums.


@given(SEEDS)
@settings(max_examples=10)
def test_weights_buffers_and_the_optimizers_state(seed: int) -> None:
    spec, size, _, setting = drawn(seed)
    trained = Trained(spec, setting)
    trained.step(*batch_of(spec, size, 2))
    found = memory(plan(spec, size), 2, setting)
    states = [value for values in trained.optimizer.state.values() for value in values.values()]
    assert found.weights == sum(parameter.nbytes for parameter in trained.model.parameters())
    assert found.buffers == sum(buffer.nbytes for buffer in trained.model.buffers())
    gradients = [parameter.grad for parameter in trained.model.parameters()]
    assert found.gradients == sum(gradient.nbytes for gradient in gradients if gradient is not None)
    assert found.optimizer == sum(value.nbytes for value in states if value is not None)


def test_adamw_counts_its_steps_where_pytorch_keeps_them() -> None:
    spec = preset("sunet-64")
    with torch.device("meta"):
        tensors = len(list(sunet.SUNet(spec).parameters()))
    cases: list[tuple[Any, Any, int]] = [
        ("cuda", None, 0),  # on the CPU
        ("cuda", "fused", 4),
        ("cpu", None, 4),
        ("cpu", "fused", 4),
    ]
    for device, variant, number in cases:
        setting = Setting(optimizer="adamw", device=device, variant=variant)
        assert state(sizes(plan(spec), 1, setting), setting) == 8 * analyze(spec).params + number * tensors


@given(SEEDS)
@settings(max_examples=50)
def test_totals(seed: int) -> None:
    spec, size, batch, setting = drawn(seed)
    report = analyze(spec, size, batch)
    found = report.memory(setting)
    assert found == memory(report.plan, batch, setting)
    assert [row.layer for row in found.rows] == list(report.layers)
    assert found.activations == sum(row.map + row.statistics + row.casts for row in found.rows)
    assert found.weights == found.gradients == 4 * report.params
    assert found.inference.bytes - found.inference.own == found.weights + found.buffers + found.image
    standing = found.weights + found.buffers + found.optimizer + found.image + found.targets
    assert found.training.bytes - found.training.own == standing
    assert found.training.own > found.activations + found.loss
    assert found.inference.at in {layer.name for layer in report.layers}


@given(SEEDS)
@settings(max_examples=30)
def test_granules_round_every_storage_up(seed: int) -> None:
    spec, size, batch, setting = drawn(seed)
    exact, rounded = (memory(plan(spec, size), batch, setting._replace(granule=granule)) for granule in (1, 512))
    for name in ("weights", "buffers", "optimizer", "image", "targets", "activations", "loss"):
        below, above = getattr(exact, name), getattr(rounded, name)
        assert below <= above
        assert above % 512 == 0
    for below, above in zip(exact.rows, rounded.rows, strict=True):
        assert below.map <= above.map < below.map + 512
        assert (above.map == 0) == (below.map == 0)
    assert rounded.training.own % 512 == rounded.inference.own % 512 == 0
    assert rounded.training.own >= exact.training.own


# Peaks.


def check_inference(spec: SUNetSpec, size: tuple[int, int], batch: int, setting: Setting) -> None:
    """Of the device that is the default here."""
    model, images = made(spec, size, batch, setting)
    watched = living(model, images, setting)
    laid_out = plan(spec, size)
    found = memory(laid_out, batch, setting).inference
    assert (found.own, found.phase, found.exact) == (watched.most, "forward", True)
    layer = next(layer for layer in laid_out.layers if layer.name == found.at)
    assert OPERATIONS[layer.kind] in watched.operation
    if found.at in dict(model.named_modules()):
        assert found.at == watched.module
    else:
        assert found.at.startswith(watched.module)


OPERATIONS = {
    "conv": "conv",
    "conv_transpose": "conv",
    "linear": "linear",
    "bn": "batch_norm",
    "add": "add",
    "concat": "cat",
    "avg_pool": "pool",
    "global_pool": "mean",
    "bilinear": "upsample",
}


@given(SEEDS)
@settings(max_examples=25)
def test_inference(seed: int) -> None:
    check_inference(*drawn(seed))


def test_inference_that_is_at_its_worst_in_the_end() -> None:
    """Logits of many classes: what is still alive before them counts."""
    spec = SUNetSpec.make(depth=1, n=4, stacks=(1,), task="segmentation", num_classes=600, degrid=True)
    check_inference(spec, (64, 64), 2, Setting(device="cpu"))
    assert memory(plan(spec, (64, 64)), 2).inference.at == "resize"


@pytest.mark.slow
@given(SEEDS)
@settings(max_examples=500)
def test_inference_of_many(seed: int) -> None:
    check_inference(*drawn(seed))


def check_training(spec: SUNetSpec, size: tuple[int, int], batch: int, setting: Setting) -> None:
    """The second step takes what is said, the first one no more than that and the optimiser's state."""
    given_ = batch_of(spec, size, batch)
    trained = Trained(spec, setting)
    first, second = trained.watched(*given_), trained.watched(*given_)
    found = memory(plan(spec, size), batch, setting)
    assert (found.training.own, found.training.phase) == (second.most, second.phase)
    assert first.most <= found.training.own + found.optimizer


@given(SEEDS)
@example(1692)  # AdamW's loop, nothing decays: the largest weight comes after a bias, not after another weight
@settings(max_examples=12)
def test_training(seed: int) -> None:
    check_training(*drawn(seed))


@pytest.mark.slow
@given(SEEDS)
@settings(max_examples=300)
def test_training_of_many(seed: int) -> None:
    check_training(*drawn(seed))


def test_training_where_autocast_resizes_in_fp32(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a GPU, whose rule the resize follows here by hand."""

    def in_fp32(x: Tensor, size: tuple[int, int]) -> Tensor:
        return resize(x.float(), size)

    monkeypatch.setattr(sunet, "resize", in_fp32)
    for seed in range(4):
        spec, size, batch, setting = drawn(seed, precision="bf16", device="cuda", optimizer="sgd", variant="foreach")
        check_training(spec.replace(task="segmentation", num_classes=9), size, batch, setting)


@pytest.mark.parametrize("decay", [False, True])
@pytest.mark.parametrize("variant", ["loop", "foreach"])
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_training_that_is_at_its_worst_in_the_end(optimizer: Any, variant: Any, decay: bool) -> None:
    """Many weights, a small image: the optimiser's own tensors count."""
    spec = SUNetSpec.make(depth=2, n=24, stacks=(2,), widths=(32,), stem_width=12, num_classes=5)
    setting = Setting(optimizer=optimizer, variant=variant, device="cpu", weight_decay=decay)
    check_training(spec, (9, 12), 2, setting)
    takes_nothing = (optimizer, variant, decay) == ("sgd", "foreach", False)
    assert memory(plan(spec, (9, 12)), 2, setting).training.phase == ("backward" if takes_nothing else "step")


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize(("name", "side"), [("sunet-64", 224), ("sunet-128", 160), ("sunet-7-128-os16", 128)])
def test_training_of_published_networks(name: str, side: int, precision: str) -> None:
    check_training(preset(name), (side, side), 2, Setting(precision=precision, device="cpu"))  # type: ignore[arg-type]


def test_a_figure_says_whether_it_is_exact() -> None:
    for device, exact in (("cpu", True), ("cuda", False)):
        found = memory(plan(preset("sunet-64")), 1, Setting(device=device))  # type: ignore[arg-type]
        assert (found.inference.exact, found.training.exact) == (True, exact)


def test_the_optimizer_can_be_the_worst_moment() -> None:
    """Of a network of many weights on a small image; by count: gradients, and the weights' decayed ones once more."""
    spec, setting = preset("sunet-7-128"), Setting(precision="fp32", channels_last=False)
    found = memory(plan(spec, (64, 64)), 1, setting)
    weights = sum(row.params - (row.layer.out_channels if row.macs else 0) for row in analyze(spec).rows if row.macs)
    # beside them: how many targets count, the loss told, the last loss, the logits
    assert found.training.own == found.gradients + 4 * weights + 8 + 4 + 4 + 4 * spec.num_classes
    assert (found.training.at, found.training.phase) == ("optimizer", "step")


def test_it_takes_milliseconds() -> None:
    laid_out = plan(preset("sunet-7-128-os8").replace(degrid=True), (512, 512))
    seconds = []
    for _ in range(10):
        began = time.perf_counter()
        memory(laid_out)
        seconds.append(time.perf_counter() - began)
    assert min(seconds) < 0.01  # 1.4 ms on the machine of the README


# The command.


def test_command_json(said: Said) -> None:
    line = "report memory sunet-64-os8 --input 96x128 --batch 3 --precision bf16 --optimizer adamw --by module --json"
    status, out, _ = said(line)
    found, record = analyze(preset("sunet-64-os8"), (96, 128), 3), json.loads(out)
    expected = found.memory(Setting(precision="bf16", optimizer="adamw"))
    assert status == 0
    assert record["setting"] == expected.setting._asdict()
    assert record["training"] == expected.training._asdict()
    assert record["inference"] == expected.inference._asdict()
    for name in ("weights", "buffers", "gradients", "optimizer", "image", "targets", "activations", "loss", "batch"):
        assert record[name] == getattr(expected, name)
    assert sum(row["bytes"] for row in record["rows"]) == expected.activations
    assert [row["name"] for row in record["rows"]][:3] == ["stem", "blocks.0.unets.0", "blocks.0.unets.1"]


@pytest.mark.parametrize("by", ["block", "module", "layer"])
def test_command_csv(said: Said, by: str) -> None:
    status, out, _ = said(f"report memory sunet-64 --by {by} --csv --no-channels-last --device cpu --precision bf16")
    rows = list(csv.DictReader(io.StringIO(out)))
    expected = memory(plan(preset("sunet-64")), 1, Setting(precision="bf16", channels_last=False, device="cpu"))
    assert status == 0
    for part in ("map", "statistics", "casts", "bytes"):
        assert sum(int(row[part]) for row in rows) == sum(getattr(row, part) for row in expected.rows)
    assert len(rows) == {"block": 6, "module": 16, "layer": len(expected.rows)}[by]


def test_command_table(said: Said) -> None:
    status, out, _ = said("report memory sunet-64")
    expected = memory(plan(preset("sunet-64")))
    lines = {line.split("  ")[0]: line for line in out.splitlines()}
    assert status == 0
    assert "26.4 MiB" in lines["weights"]  # 6,910,248 parameters
    assert f"{expected.activations:,}" in lines["kept for backward"]
    assert f"{expected.activations:,}" in lines["total"]
    assert f"{expected.training.bytes:,}" in lines["training, peak"]
    assert expected.training.at in lines["training, peak"]
    assert "estimate" in out
    assert "estimate" not in said("report memory sunet-64 --device cpu")[1]


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        ("--batch 0", "'--batch'"),
        (f"--batch {10**320}", "'--batch'"),
        ("--precision fp16", "'--precision'"),
        ("--json --csv", "--csv: cannot be given with --json"),
        ("--input 3", "--input: 3x3: too small for block 2"),
        ("--optimizer adam", "'--optimizer'"),
        ("--optimizer adamw --no-momentum", "--no-momentum: goes with --optimizer sgd"),
        ("--optimizer adamw --momentum", "--momentum: goes with --optimizer sgd"),
    ],
)
def test_command_refuses(said: Said, flags: str, line: str) -> None:
    status, out, err = said(f"report memory sunet-64 {flags}")
    assert (status, out) == (2, "")
    assert line in err
    assert len(err.strip().splitlines()) == 1


# A training step that PyTorch refuses.


@pytest.mark.parametrize("seed", range(25))
def test_a_step_that_cannot_be_made_is_told(seed: int) -> None:
    """Small images, so that both happen; what PyTorch refuses is a BN over one value."""
    rng = random.Random(seed)
    spec = random_spec(rng)
    least = spec.output_stride
    size, batch = (least * rng.randint(1, 2), least * rng.randint(1, 2)), rng.choice((1, 1, 2))
    told, model, begun = analyze(spec, size, batch).memory().no_step_at, build(spec).train(), []
    for name, module in model.named_modules():
        if name.endswith(".bn"):
            module.register_forward_pre_hook(lambda *_, name=name: begun.append(name))
    images = torch.zeros(batch, spec.in_channels, *size)
    if not told:
        model(images)
        return
    with pytest.raises(ValueError, match="Expected more than 1 value per channel when training"):
        model(images)
    assert begun[-1] == told


def test_a_step_that_cannot_be_made_has_no_peak(said: Said) -> None:
    norm = "blocks.1.unets.0.down.1.conv.norm.bn"
    record = json.loads(said("report memory sunet-64 --input 32 --json")[1])
    assert (record["training"], record["no_step_at"]) == (None, norm)
    assert record["inference"]["bytes"] > 0
    out = said("report memory sunet-64 --input 32")[1]
    assert " ".join(next(line for line in out.splitlines() if line.startswith("training, peak")).split()) == (
        "training, peak cannot be made"
    )
    assert f"{norm} sees one value per channel" in " ".join(out.split())
    assert "estimate" not in out
    assert json.loads(said("report memory sunet-64 --input 32 --batch 2 --json")[1])["no_step_at"] is None


# A GPU.


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize(
    ("name", "side", "batch"), [("sunet-64", 224, 64), ("sunet-7-128", 224, 32), ("sunet-64-os8", 512, 8)]
)
def test_a_gpus_own_count(name: str, side: int, batch: int, precision: str) -> None:
    spec, setting = preset(name), Setting(precision=precision, granule=512)  # type: ignore[arg-type]
    found = memory(plan(spec, (side, side)), batch, setting)
    trained = Trained(spec, setting, "cuda")
    images, targets = (tensor.cuda() for tensor in batch_of(spec, (side, side), batch))
    for _ in range(2):
        torch.cuda.reset_peak_memory_stats()
        trained.step(images, targets)
    assert torch.cuda.max_memory_allocated() == pytest.approx(found.training.bytes, rel=0.05)

    trained.optimizer.zero_grad()
    trained.optimizer.state.clear()
    images = images.contiguous(memory_format=torch.channels_last)
    trained.model.eval()
    for _ in range(2):
        torch.cuda.reset_peak_memory_stats()
        with torch.inference_mode(), torch.autocast("cuda", torch.bfloat16, enabled=setting.bf16):
            trained.model(images)
    standing = found.targets
    assert torch.cuda.max_memory_allocated() - standing == pytest.approx(found.inference.bytes, rel=0.05)


def test_a_report_takes_settings_by_their_words() -> None:
    report = analyze(preset("sunet-64"), (64, 64), batch=2)
    words: dict[str, Any] = {"precision": "bf16", "optimizer": "adamw", "device": "cpu"}
    assert report.memory(**words) == report.memory(Setting(**words)) == memory(report.plan, 2, Setting(**words))
    assert report.memory(Setting(precision="bf16"), device="cpu").setting == Setting(precision="bf16", device="cpu")
    for wrong, line in (({"precision": "fp16"}, "precision: 'fp16': "), ({"batch": 3}, "batch: 3: ")):
        with pytest.raises(InputError, match=line):
            report.memory(**wrong)
    assert repr(report) == f"Report(b35d75a4bd, 2 x 64x64: 6,910,248 params, {report.macs:,} MACs, 359 layers)"
