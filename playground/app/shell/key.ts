// The API key. It is kept for this browser tab alone, and sent to this server alone.
import { effect, signal } from "@preact/signals";
import { credentials } from "../api/http";
import { recall, remember } from "./storage";

const stored = "quadrate.key";

export const key = signal(recall("sessionStorage", stored) ?? "");

effect(() => {
  credentials.key = key.value;
  remember("sessionStorage", stored, key.value);
});
