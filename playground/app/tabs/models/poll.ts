// Asking again and again, one question at a time.

/** Asks at once, and again `every` ms after each answer, until it is stopped. What `ask` throws is its own to handle. */
export function poll(ask: (signal: AbortSignal) => Promise<void>, every: number): () => void {
  const stopped = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const turn = async () => {
    await ask(stopped.signal);
    if (!stopped.signal.aborted) timer = setTimeout(turn, every);
  };
  turn();
  return () => {
    stopped.abort();
    clearTimeout(timer);
  };
}

/** Does work that is given up after so many ms, or with the signal. */
export async function within<T>(ms: number, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const mine = new AbortController();
  const giveUp = () => mine.abort(signal.reason);
  const timer = setTimeout(() => mine.abort(new DOMException(`no answer within ${ms / 1000} s`, "TimeoutError")), ms);
  signal.addEventListener("abort", giveUp);
  if (signal.aborted) giveUp();
  try {
    return await work(mine.signal);
  } catch (reason) {
    throw mine.signal.aborted ? mine.signal.reason : reason;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", giveUp);
  }
}
