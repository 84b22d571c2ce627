import { TabList } from "../parts/TabList";
import { words } from "./words";

export type Tab = "embed" | "rerank" | "compare" | "search" | "models";

interface Props {
  order: Tab[];
  current: Tab;
  open: (tab: Tab) => void;
}

/** The page's tabs. */
export function Tabs({ order, current, open }: Props) {
  return (
    <nav class="tabs">
      <TabList label={words.value.tabs} tabs={order} name={(tab) => words.value[tab]} current={current} open={open} />
    </nav>
  );
}
