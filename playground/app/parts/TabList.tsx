interface Props<T extends string> {
  /** What the tabs are for. */
  label: string;
  tabs: readonly T[];
  /** A tab's name. */
  name: (tab: T) => string;
  current: T;
  open: (tab: T) => void;
  /** Tabs have the ids `prefix-tab-x`, and their panels `prefix-panel-x`; undefined: `tab-x` and `panel-x`. */
  prefix?: string | undefined;
}

/** Tabs after the ARIA pattern: one is in the page's order of focus, and the arrow keys move between them. */
export function TabList<T extends string>({ label, tabs, name, current, open, prefix }: Props<T>) {
  const idOf = (part: "tab" | "panel", tab: T) => [prefix, part, tab].filter(Boolean).join("-");
  const move = (e: KeyboardEvent) => {
    const at = tabs.indexOf(current);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[e.key];
    if (to === undefined || e.ctrlKey || e.altKey || e.metaKey) return;
    e.preventDefault();
    const tab = tabs[(to + tabs.length) % tabs.length] as T;
    open(tab);
    document.getElementById(idOf("tab", tab))?.focus();
  };
  return (
    <div role="tablist" aria-label={label}>
      {tabs.map((tab) => (
        <button
          type="button"
          key={tab}
          role="tab"
          id={idOf("tab", tab)}
          aria-selected={tab === current}
          aria-controls={idOf("panel", tab)}
          tabIndex={tab === current ? 0 : -1}
          onClick={() => open(tab)}
          onKeyDown={move}
        >
          {name(tab)}
        </button>
      ))}
    </div>
  );
}
