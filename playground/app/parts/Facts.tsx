/** Names with their values, such as latency and dimensions. What is undefined is left out. */
export function Facts({ facts }: { facts: [name: string, value: string | undefined][] }) {
  return (
    <dl class="facts">
      {facts.map(
        ([name, value]) =>
          value !== undefined && (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ),
      )}
    </dl>
  );
}
