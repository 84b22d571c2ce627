"""Loads a model's weights and puts pooling, dense layers or a score behind them.

Each network takes input_ids and attention_mask (and token_type_ids, where the
model has them), int64 [batch, length], padded on the right, and returns float32
[batch, dimensions]. Heads are computed in float32 whatever the model's own
type, as the graph builder does it.
"""

import inspect
from pathlib import Path

import torch
from torch import nn
from transformers import AutoModel, AutoModelForCausalLM, AutoModelForSequenceClassification, PreTrainedConfig

from quadrate_export.errors import ExportError
from quadrate_export.modules import Dense, Modules

from . import attention
from .description import Description


def load(directory: Path, config: PreTrainedConfig, description: Description, trust: bool) -> nn.Module:
    """The model in float32 with eager attention; refuses a checkpoint that leaves a weight to chance."""
    try:
        model, report = _class(description).from_pretrained(
            directory,
            config=config,
            dtype=torch.float32,
            attn_implementation="eager",
            trust_remote_code=trust,
            use_safetensors=True,
            output_loading_info=True,
        )
    except (ValueError, KeyError, OSError, ImportError, RuntimeError) as error:
        raise ExportError(f"transformers does not load {directory}: {str(error).strip()[:300]}") from error
    # Embedders do without the pooler, which checkpoints leave out for that reason.
    missing = [name for name in report["missing_keys"] if "pooler" not in name]
    wrong = sorted(missing) + sorted(str(item[0]) for item in report["mismatched_keys"])
    if wrong:
        more = f" (and {len(wrong) - 3} more)" if len(wrong) > 3 else ""
        raise ExportError(f"the checkpoint lacks or has in another shape: {', '.join(wrong[:3])}{more}")
    return prepare(model)


def random(config: PreTrainedConfig, description: Description, seed: int, trust: bool) -> nn.Module:
    """Random weights, wide enough for answers to differ from text to text."""
    torch.manual_seed(seed)
    model = _class(description).from_config(
        config, dtype=torch.float32, attn_implementation="eager", trust_remote_code=trust
    )
    spread(model)
    return prepare(model)


@torch.no_grad()
def spread(model: nn.Module) -> None:
    """Draws matrices that keep a state's variance, from the seed that is set."""
    embeddings = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
    for parameter in model.parameters():
        if id(parameter) in embeddings:
            parameter.normal_()
        elif parameter.dim() > 1:
            parameter.normal_(std=1.5 * parameter.shape[-1] ** -0.5)
        else:
            parameter.add_(0.1 * torch.randn_like(parameter))


def prepare(model: nn.Module) -> nn.Module:
    if hasattr(model.config, "use_cache"):
        model.config.use_cache = False
    return model.eval().requires_grad_(False)


def token_types(model: nn.Module) -> bool:
    """Whether the model reads token_type_ids."""
    takes = "token_type_ids" in inspect.signature(model.forward).parameters
    return takes and (getattr(model.config, "type_vocab_size", 0) or 0) > 1


def position_limit(model: nn.Module, limit: int) -> int:
    """The longest input that learned positions allow: some count from the padding id plus one."""
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding):
            before = 0 if module.padding_idx is None else module.padding_idx + 1
            return min(limit, module.num_embeddings - before)
    return limit


class Network(nn.Module):
    """A model with its head; subclasses say what the head makes of the model's output."""

    output: str

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask, token_type_ids=None):
        inputs = {"input_ids": input_ids, "attention_mask": attention_mask}
        if token_type_ids is not None:
            inputs["token_type_ids"] = token_type_ids
        with attention.rows(attention_mask):
            return self.head(inputs)


class Embedder(Network):
    """Pooled states behind any dense layers, before the L2 norm."""

    output = "sentence_embedding"

    def __init__(self, model: nn.Module, modules: Modules):
        super().__init__(model)
        self.pooling = modules.pooling
        self.dense = nn.ModuleList(_dense(layer) for layer in modules.dense)

    def head(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        states = self.model(**inputs).last_hidden_state
        vector = pool(states, inputs["attention_mask"], self.pooling)
        for layer in self.dense:
            vector = layer(vector)
        return vector


class Classifier(Network):
    """The logits of a sequence classification model."""

    output = "logits"

    def head(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        return self.model(**inputs).logits.float()


class YesNo(Network):
    """logit(yes) - logit(no) after the last token, so that its sigmoid is the share of yes.

    Two rows of the output layer are all that is needed, and of these the difference.
    """

    output = "logits"

    def __init__(self, model: nn.Module, yes: int, no: int):
        super().__init__(model.base_model)
        layer = model.get_output_embeddings()
        weight = layer.weight.double()
        self.difference = nn.Parameter((weight[yes] - weight[no]).float()[:, None], requires_grad=False)
        bias = getattr(layer, "bias", None)
        self.bias = 0.0 if bias is None else float(bias[yes] - bias[no])

    def head(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        states = self.model(**inputs).last_hidden_state
        last = pool(states, inputs["attention_mask"], "last")
        return last @ self.difference + self.bias


def pool(states: torch.Tensor, mask: torch.Tensor, pooling: str) -> torch.Tensor:
    """[batch, length, hidden] as float32 [batch, hidden]; rows are padded on the right."""
    if pooling == "cls":
        return states[:, 0].float()
    if pooling == "last":
        last = (mask.sum(1) - 1)[:, None, None].expand(-1, 1, states.shape[-1])
        return states.gather(1, last)[:, 0].float()
    states, weights = states.float(), mask[:, :, None].float()
    if pooling == "max":
        return (states * weights + (1 - weights) * torch.finfo(torch.float32).min).max(1).values
    count = weights.sum(1).clamp(min=1e-9)
    total = (states * weights).sum(1)
    return total / (count.sqrt() if pooling == "mean_sqrt_len" else count)


def _class(description: Description):
    if description.generative:
        return AutoModelForCausalLM
    return AutoModelForSequenceClassification if description.labels else AutoModel


def _dense(layer: Dense) -> nn.Module:
    linear = nn.Linear(layer.weight.shape[1], layer.weight.shape[0], bias=layer.bias is not None)
    with torch.no_grad():
        linear.weight.copy_(torch.tensor(layer.weight))
        if layer.bias is not None:
            linear.bias.copy_(torch.tensor(layer.bias))
    parts = [linear, nn.Tanh()] if layer.activation == "tanh" else [linear]
    return nn.Sequential(*parts).requires_grad_(False)
