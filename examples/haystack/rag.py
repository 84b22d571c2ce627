"""Retrieval with Haystack: vectors and ranking from Quadrate, the documents in memory.

    python examples/haystack/rag.py "I cannot remember my password"

SERVER_URL, EMBEDDER, RERANKER and API_KEY say where the models are; with LLM_URL and LLM_MODEL set
(and LLM_API_KEY where it asks for one), a chat model of any OpenAI-compatible server answers at the end.
"""

import os
import pathlib
import sys

# Haystack reports which components are used to its makers unless this is set before it is imported.
os.environ.setdefault("HAYSTACK_TELEMETRY_ENABLED", "False")

from haystack import Document, Pipeline
from haystack.components.embedders import OpenAIDocumentEmbedder, OpenAITextEmbedder
from haystack.components.generators.chat import OpenAIChatGenerator
from haystack.components.retrievers.in_memory import InMemoryEmbeddingRetriever
from haystack.components.writers import DocumentWriter
from haystack.dataclasses import ChatMessage
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack.utils import Secret
from haystack_integrations.components.rankers.cohere import CohereRanker

SERVER = os.environ.get("SERVER_URL", "http://localhost:8000")
KEY = Secret.from_token(os.environ.get("API_KEY", "-"))
PASSAGES = pathlib.Path(__file__).parents[1] / "passages.txt"
EMBEDDER = {"api_base_url": f"{SERVER}/v1", "api_key": KEY, "model": os.environ.get("EMBEDDER", "default")}


def show(title: str, found: list[Document]) -> None:
    print(title)
    for document in found:
        print(f"  {document.score:.3f}  {document.content}")


question = sys.argv[1] if len(sys.argv) > 1 else "I cannot remember my password"
store = InMemoryDocumentStore(embedding_similarity_function="cosine")

# Without raise_on_failure a failed batch is only logged, and its documents are never found.
indexing = Pipeline()
indexing.add_component("embedder", OpenAIDocumentEmbedder(**EMBEDDER, progress_bar=False, raise_on_failure=True))
indexing.add_component("writer", DocumentWriter(store))
indexing.connect("embedder", "writer")
indexing.run({"embedder": {"documents": [Document(content=line) for line in PASSAGES.read_text(encoding="utf-8").splitlines()]}})

# Cohere's client adds the path: its base URL is the server's root, without /v1.
ranker = CohereRanker(api_base_url=SERVER, api_key=KEY, model=os.environ.get("RERANKER", "default"), top_k=2)
querying = Pipeline()
querying.add_component("embedder", OpenAITextEmbedder(**EMBEDDER))
querying.add_component("retriever", InMemoryEmbeddingRetriever(store, top_k=4))
querying.add_component("ranker", ranker)
querying.connect("embedder.embedding", "retriever.query_embedding")
querying.connect("retriever", "ranker")
found = querying.run({"embedder": {"text": question}, "ranker": {"query": question}}, include_outputs_from={"retriever"})
show("Retrieved", found["retriever"]["documents"])
show("Reranked", found["ranker"]["documents"])

prompt = "Answer from these passages only.\n\n" + "\n".join(document.content for document in found["ranker"]["documents"]) + f"\n\nQuestion: {question}"
if "LLM_URL" in os.environ:
    llm = OpenAIChatGenerator(api_base_url=os.environ["LLM_URL"], api_key=Secret.from_token(os.environ.get("LLM_API_KEY", "-")), model=os.environ["LLM_MODEL"])
    print("Answer\n ", llm.run([ChatMessage.from_user(prompt)])["replies"][0].text)
