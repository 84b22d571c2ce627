export function Search() {
  return <p />;
}
