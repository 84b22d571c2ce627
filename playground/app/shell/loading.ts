// Parts of the page that are loaded when they are first needed. Their files are called the same in all versions of
// the server: a page that was opened before an update gets those of after it, which it may not fit.
import { words } from "./words";

/** The error of a part that could not be loaded, which says what can be done. */
export function notLoaded(reason: unknown): Error {
  const why = reason instanceof Error ? reason.message : String(reason ?? "");
  return new Error(words.value.notLoaded(why || "?"), { cause: reason });
}

/**
 * The error of a worker that has failed as a whole. Without a message it could not be loaded, and with a syntax error
 * it, or what it loads, does not fit the page.
 */
export function workerFailed(file: string, { message }: ErrorEvent): Error {
  return message && !message.includes("SyntaxError") ? new Error(message) : notLoaded(message || file);
}
