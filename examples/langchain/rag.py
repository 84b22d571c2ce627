"""Retrieval with LangChain: vectors and ranking from Quadrate, the index in memory.

    python examples/langchain/rag.py "I cannot remember my password"

SERVER_URL, EMBEDDER, RERANKER and API_KEY say where the models are; with LLM_URL and LLM_MODEL set
(and LLM_API_KEY where it asks for one), a chat model of any OpenAI-compatible server answers at the end.
"""

import os
import pathlib
import sys

from langchain_cohere import CohereRerank
from langchain_core.documents import Document
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

SERVER = os.environ.get("SERVER_URL", "http://localhost:8000")
KEY = os.environ.get("API_KEY", "-")
PASSAGES = pathlib.Path(__file__).parents[1] / "passages.txt"


def show(title: str, found: list[tuple[float, str]]) -> None:
    print(title)
    for score, text in found:
        print(f"  {score:.3f}  {text}")


question = sys.argv[1] if len(sys.argv) > 1 else "I cannot remember my password"

# check_embedding_ctx_length=False sends texts. Without it LangChain cuts them by OpenAI's tokenizer
# and sends its token ids: the server turns them back into text, but tiktoken, which makes them,
# fetches its vocabulary from the internet first. The server cuts long texts by itself.
embeddings = OpenAIEmbeddings(
    base_url=f"{SERVER}/v1",
    api_key=KEY,
    model=os.environ.get("EMBEDDER", "default"),
    check_embedding_ctx_length=False,
)
store = InMemoryVectorStore(embeddings)
store.add_documents([Document(line) for line in PASSAGES.read_text(encoding="utf-8").splitlines()])

retrieved = store.similarity_search_with_score(question, k=4)
show("Retrieved", [(score, document.page_content) for document, score in retrieved])

# Cohere's client adds the path: its base URL is the server's root, without /v1.
reranker = CohereRerank(base_url=SERVER, cohere_api_key=KEY, model=os.environ.get("RERANKER", "default"), top_n=2)
ranked = reranker.compress_documents([document for document, _ in retrieved], question)
show("Reranked", [(document.metadata["relevance_score"], document.page_content) for document in ranked])

prompt = "Answer from these passages only.\n\n" + "\n".join(document.page_content for document in ranked) + f"\n\nQuestion: {question}"
if "LLM_URL" in os.environ:
    llm = ChatOpenAI(base_url=os.environ["LLM_URL"], api_key=os.environ.get("LLM_API_KEY", "-"), model=os.environ["LLM_MODEL"])
    print("Answer\n ", llm.invoke(prompt).content)
