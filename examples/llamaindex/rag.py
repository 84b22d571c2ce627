"""Retrieval with LlamaIndex: vectors and ranking from Quadrate, the index in memory.

    python examples/llamaindex/rag.py "I cannot remember my password"

SERVER_URL, EMBEDDER, RERANKER and API_KEY say where the models are; with LLM_URL and LLM_MODEL set
(and LLM_API_KEY where it asks for one), a chat model of any OpenAI-compatible server answers at the end.
"""

import os
import pathlib
import sys

from llama_index.core import QueryBundle, VectorStoreIndex, get_response_synthesizer
from llama_index.core.schema import NodeWithScore, TextNode
from llama_index.embeddings.openai_like import OpenAILikeEmbedding
from llama_index.llms.openai_like import OpenAILike
from llama_index.postprocessor.cohere_rerank import CohereRerank

SERVER = os.environ.get("SERVER_URL", "http://localhost:8000")
KEY = os.environ.get("API_KEY", "-")
PASSAGES = pathlib.Path(__file__).parents[1] / "passages.txt"


def show(title: str, found: list[NodeWithScore]) -> None:
    print(title)
    for item in found:
        print(f"  {item.score:.3f}  {item.text}")


question = sys.argv[1] if len(sys.argv) > 1 else "I cannot remember my password"

# OpenAILikeEmbedding takes any model name, where OpenAIEmbedding knows OpenAI's only. Its batches
# hold 10 texts unless told otherwise; the server takes large ones and divides them itself.
embedder = OpenAILikeEmbedding(
    api_base=f"{SERVER}/v1",
    api_key=KEY,
    model_name=os.environ.get("EMBEDDER", "default"),
    embed_batch_size=256,
)
# Nodes, as the passages are short already. VectorStoreIndex.from_documents splits longer ones.
nodes = [TextNode(text=line) for line in PASSAGES.read_text(encoding="utf-8").splitlines()]
index = VectorStoreIndex(nodes, embed_model=embedder)

retrieved = index.as_retriever(similarity_top_k=4).retrieve(question)
show("Retrieved", retrieved)

# Cohere's client adds the path: its base URL is the server's root, without /v1.
reranker = CohereRerank(base_url=SERVER, api_key=KEY, model=os.environ.get("RERANKER", "default"), top_n=2)
ranked = reranker.postprocess_nodes(retrieved, QueryBundle(question))
show("Reranked", ranked)

if "LLM_URL" in os.environ:
    llm = OpenAILike(api_base=os.environ["LLM_URL"], api_key=os.environ.get("LLM_API_KEY", "-"), model=os.environ["LLM_MODEL"], is_chat_model=True)
    print("Answer\n ", get_response_synthesizer(llm=llm).synthesize(question, nodes=ranked))
