"""How a generative reranker is shown a pair: fixed ids around two texts that are tokenised apart.

The layout is that of Qwen3-Reranker's model card. The card tokenises instruction,
query and document as one text. Cut after the line of the query, both halves give
the same ids: the tokenizer's first step never joins a line's end with what
follows it, unless that is blank, and "<Document>" is not.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from tokenizers import Tokenizer

from quadrate_export.errors import ExportError
from quadrate_export.layout import read_json

INSTRUCTION = "Given a web search query, retrieve relevant passages that answer the query"

_PREFIX = (
    "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the "
    'Instruct provided. Note that the answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n'
)
_SUFFIX = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
_SPECIALS = ("<|im_start|>", "<|im_end|>")
_PROBES = (
    ("", ""),
    ("What is it?", "An answer."),
    ("trailing space ", " leading space"),
    ("two lines\n\n", "\n\n  indented"),
    ("?!\t", "...\r\n"),
    ("한국의 수도는?", "서울"),
    ("e", "\u0301 combining"),
)


@dataclass(frozen=True)
class PairPrompt:
    """The manifest's pair_prompt. A row is prefix, query part, document part, suffix.

    The query part is query_prefix + query + query_suffix as one text, the
    document part document_prefix + document.
    """

    prefix: list[int]
    query_prefix: str
    query_suffix: str
    document_prefix: str
    suffix: list[int]

    def encode(self, tokenizer: Tokenizer, query: str, document: str) -> list[int]:
        first = self.query_prefix + query + self.query_suffix
        return [
            *self.prefix,
            *_ids(tokenizer, first),
            *_ids(tokenizer, self.document_prefix + document),
            *self.suffix,
        ]

    def manifest(self) -> dict:
        return asdict(self)


class PairEncoder:
    """Encodes pairs as samples.make asks its tokenizer to."""

    @dataclass(frozen=True)
    class Row:
        ids: list[int]
        type_ids: list[int]

    def __init__(self, tokenizer: Tokenizer, prompt: PairPrompt):
        self._tokenizer, self._prompt = tokenizer, prompt

    def encode(self, text: str, pair: str) -> "PairEncoder.Row":
        ids = self._prompt.encode(self._tokenizer, text, pair)
        return self.Row(ids, [0] * len(ids))


def qwen3(tokenizer: Tokenizer, instruction: str = INSTRUCTION) -> PairPrompt:
    """The layout, with its special tokens as this tokenizer's ids; checked against the joint text."""
    absent = [name for name in _SPECIALS if tokenizer.token_to_id(name) is None]
    if absent:
        raise ExportError(
            f"tokenizer.json has no {', '.join(absent)}: this is no tokenizer of a Qwen3-Reranker"
        )
    prompt = PairPrompt(
        prefix=_ids(tokenizer, _PREFIX),
        query_prefix=f"<Instruct>: {instruction}\n<Query>: ",
        query_suffix="\n",
        document_prefix="<Document>: ",
        suffix=_ids(tokenizer, _SUFFIX),
    )
    for query, document in _PROBES:
        # With special tokens: the card leaves it to the tokenizer whether there are any.
        joint = tokenizer.encode(f"{prompt.query_prefix}{query}\n{prompt.document_prefix}{document}").ids
        if prompt.encode(tokenizer, query, document) != [*prompt.prefix, *joint, *prompt.suffix]:
            raise ExportError(
                f"the pair ({query!r}, {document!r}) has other ids in two halves than as one text"
            )
    return prompt


def answers(directory: Path, tokenizer: Tokenizer) -> tuple[int, int]:
    """The ids of yes and no: those of the module LogitScore, else the tokens of that name."""
    for path in sorted(directory.glob("*LogitScore/config.json")):
        config = read_json(path)
        if config.get("false_token_id") is None:
            raise ExportError(f"{path} scores by one token; only two, for yes and no, are supported")
        return config["true_token_id"], config["false_token_id"]
    ids = tokenizer.token_to_id("yes"), tokenizer.token_to_id("no")
    if None in ids:
        raise ExportError(
            'tokenizer.json has no tokens "yes" and "no", which a generative reranker answers with'
        )
    return ids


def check_template(directory: Path, prompt: PairPrompt, tokenizer: Tokenizer) -> None:
    """A chat template beside the weights must say the same as the layout."""
    text = _chat_template(directory)
    if text is None or "<Document>" not in text:
        return
    import jinja2.sandbox

    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    messages = [{"role": "query", "content": "a query?"}, {"role": "document", "content": "a document."}]
    try:
        rendered = environment.from_string(text).render(messages=messages, add_generation_prompt=True)
    except jinja2.TemplateError as error:
        raise ExportError(f"the chat template does not take a query and a document: {error}") from error
    if _ids(tokenizer, rendered) != prompt.encode(tokenizer, "a query?", "a document."):
        raise ExportError(
            "the chat template lays a pair out in another way than Qwen3-Reranker does: "
            f"{json.dumps(rendered, ensure_ascii=False)[:400]}"
        )


def _chat_template(directory: Path) -> str | None:
    path = directory / "chat_template.jinja"
    if path.is_file():
        return path.read_text(encoding="utf-8")
    path = directory / "tokenizer_config.json"
    template = read_json(path).get("chat_template") if path.is_file() else None
    return template if isinstance(template, str) else None


def _ids(tokenizer: Tokenizer, text: str) -> list[int]:
    return tokenizer.encode(text, add_special_tokens=False).ids
