import { words } from "./words";

export type Tab = "embed" | "rerank" | "compare" | "search" | "models";

interface Props {
  order: Tab[];
  current: Tab;
  open: (tab: Tab) => void;
}

/** Tabs after the ARIA pattern: one is in the page's order of focus, and the arrow keys move between them. */
export function Tabs({ order, current, open }: Props) {
  const move = (e: KeyboardEvent) => {
    const at = order.indexOf(current);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: order.length - 1 }[e.key];
    if (to === undefined) return;
    e.preventDefault();
    const tab = order[(to + order.length) % order.length] as Tab;
    open(tab);
    document.getElementById(`tab-${tab}`)?.focus();
  };
  return (
    <nav class="tabs">
      <div role="tablist" aria-label={words.value.tabs}>
        {order.map((tab) => (
          <button
            type="button"
            key={tab}
            role="tab"
            id={`tab-${tab}`}
            aria-selected={tab === current}
            aria-controls={`panel-${tab}`}
            tabIndex={tab === current ? 0 : -1}
            onClick={() => open(tab)}
            onKeyDown={move}
          >
            {words.value[tab]}
          </button>
        ))}
      </div>
    </nav>
  );
}
