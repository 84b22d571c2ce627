import { useMemo } from "preact/hooks";
import { Snippets } from "../../parts/Snippets";
import { Changes } from "./Changes";
import { Orders } from "./Orders";
import { candidates, type Found, type Reranked } from "./retrieval";
import { Steps } from "./Steps";

export interface Outcome {
  found: Found;
  /** null: there is no reranker's order, or not yet. */
  reranked: Reranked | null;
}

/** What a search has found: what changed, both orders, what each step took, and the reranker's call. */
export function Results({ found, reranked }: Outcome) {
  const { asked, hits } = found;
  const body = useMemo(() => ({ model: asked.reranker, query: asked.query, documents: candidates(asked.documents, hits) }), [asked, hits]);
  return (
    <>
      {reranked && <Changes documents={asked.documents} moves={reranked.moves} />}
      <Orders found={found} reranked={reranked} />
      <Steps found={found} reranked={reranked} />
      <Snippets path="/v1/rerank" body={body} />
    </>
  );
}
