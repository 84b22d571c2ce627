import { useEffect } from "preact/hooks";
import { TabList } from "../parts/TabList";
import { words } from "./words";

export type Tab = "embed" | "rerank" | "compare" | "search" | "models";

interface Props {
  order: Tab[];
  current: Tab;
  open: (tab: Tab) => void;
}

/** The page's tabs. On narrow screens they scroll sideways, and the current one is kept in sight. */
export function Tabs({ order, current, open }: Props) {
  useEffect(() => {
    document.getElementById(`tab-${current}`)?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [current]);
  return (
    <nav class="tabs">
      <TabList label={words.value.tabs} tabs={order} name={(tab) => words.value[tab]} current={current} open={open} />
    </nav>
  );
}
