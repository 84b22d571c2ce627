export function Compare() {
  return <p />;
}
