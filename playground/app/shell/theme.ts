// Light or dark: as the system has it, unless it was chosen.
import { computed, effect, signal } from "@preact/signals";
import { recall, remember } from "./storage";

export type Theme = "system" | "light" | "dark";

const stored = "quadrate.theme";
const system = window.matchMedia("(prefers-color-scheme: dark)");
const systemDark = signal(system.matches);
system.addEventListener("change", (e) => {
  systemDark.value = e.matches;
});

const saved = recall("localStorage", stored);
export const theme = signal<Theme>(saved === "light" || saved === "dark" ? saved : "system");

/** What is shown; charts are drawn anew when it changes. */
export const dark = computed(() => theme.value === "dark" || (theme.value === "system" && systemDark.value));

effect(() => {
  document.documentElement.dataset.theme = dark.value ? "dark" : "light";
  remember("localStorage", stored, theme.value === "system" ? null : theme.value);
});
