// The charts' colours, after the theme. style.css has the same tones for the rest of the page.
import { computed } from "@preact/signals";
import { dark } from "../shell/theme";

export interface Colours {
  text: string;
  muted: string;
  line: string;
  surface: string;
  accent: string;
  /** From the least to the most. The brightness rises or falls evenly, so that it reads without hues, too. */
  scale: string[];
  /** Tells groups apart, also by eyes that see fewer colours (after Okabe and Ito). */
  groups: string[];
}

const light: Colours = {
  text: "#1a2230",
  muted: "#546072",
  line: "#d9dee6",
  surface: "#ffffff",
  accent: "#1d5bbf",
  scale: ["#f4f7fb", "#c6dbef", "#7fb2dc", "#3a7fc1", "#174a9c", "#0b2559"],
  groups: ["#0072b2", "#d55e00", "#007a5a", "#a8407f", "#7a6000", "#4d4d4d"],
};

const night: Colours = {
  text: "#e4e9f0",
  muted: "#a2adbb",
  line: "#2d3643",
  surface: "#191f27",
  accent: "#82b1ff",
  scale: ["#1b2430", "#1f3d63", "#285f9e", "#4488d0", "#86b8f2", "#e2efff"],
  groups: ["#56b4e9", "#ff9d4d", "#3fd0a4", "#f09ccb", "#e6d34a", "#c9c9c9"],
};

export const colours = computed(() => (dark.value ? night : light));
