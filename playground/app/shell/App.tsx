import { effect, signal } from "@preact/signals";
import type { ComponentType } from "preact";
import { language } from "../i18n/language";
import { Compare } from "../tabs/compare/Compare";
import { Embed } from "../tabs/embed/Embed";
import { Models } from "../tabs/models/Models";
import { Rerank } from "../tabs/rerank/Rerank";
import { Search } from "../tabs/search/Search";
import { Guard } from "./Guard";
import { Header } from "./Header";
import { type Tab, Tabs } from "./Tabs";
import { words } from "./words";

const panels: Record<Tab, ComponentType> = { embed: Embed, rerank: Rerank, compare: Compare, search: Search, models: Models };
const order = Object.keys(panels) as Tab[];

const named = () => order.find((tab) => `#${tab}` === location.hash);
const current = signal<Tab>(named() ?? "embed");
window.addEventListener("hashchange", () => {
  current.value = named() ?? current.value;
});

effect(() => {
  document.documentElement.lang = language.value;
  document.title = `${words.value[current.value]} – ${words.value.title}`;
});

function open(tab: Tab) {
  current.value = tab;
  history.replaceState(null, "", `#${tab}`);
}

// A tab that was opened stays, with what was entered and found in it.
const opened = new Set<Tab>();

export function App() {
  const shown = current.value;
  opened.add(shown);
  return (
    <>
      <a class="skip" href="#content">
        {words.value.skip}
      </a>
      <Header />
      <Tabs order={order} current={shown} open={open} />
      <main id="content" tabIndex={-1}>
        {order.map((tab) => {
          const Panel = panels[tab];
          return (
            <section key={tab} role="tabpanel" id={`panel-${tab}`} aria-labelledby={`tab-${tab}`} hidden={tab !== shown}>
              {opened.has(tab) && (
                <Guard>
                  <Panel />
                </Guard>
              )}
            </section>
          );
        })}
      </main>
    </>
  );
}
