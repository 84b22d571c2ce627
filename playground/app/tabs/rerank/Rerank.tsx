export function Rerank() {
  return <p />;
}
