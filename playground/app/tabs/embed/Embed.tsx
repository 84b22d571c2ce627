export function Embed() {
  return <p />;
}
