// The API key. It is kept for this browser tab alone, and sent to this server alone.
import { effect, signal } from "@preact/signals";
import { credentials } from "../api/http";

const stored = "quadrate.key";

export const key = signal(sessionStorage.getItem(stored) ?? "");

effect(() => {
  credentials.key = key.value;
  if (key.value) sessionStorage.setItem(stored, key.value);
  else sessionStorage.removeItem(stored);
});
