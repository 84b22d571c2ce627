import { ApiError } from "../api/http";
import { words } from "./words";

/** An error, read out when it appears: the server's own words, and its answer as it came. */
export function Problem({ error }: { error: unknown }) {
  if (error === null || error === undefined) return null;
  const w = words.value;
  if (!(error instanceof ApiError)) {
    return (
      <div class="problem" role="alert">
        {error instanceof Error ? error.message : String(error)}
      </div>
    );
  }
  return (
    <div class="problem" role="alert">
      <p>
        <strong>{error.status ? [error.status, error.code].filter(Boolean).join(" ") : w.noAnswer}</strong> {error.message}
      </p>
      {error.retryAfter > 0 && <p>{w.retryAfter(error.retryAfter)}</p>}
      {error.body && (
        <details>
          <summary>{w.served}</summary>
          <pre>{error.body}</pre>
          {error.requestId && (
            <p>
              {w.requestId}: <code>{error.requestId}</code>
            </p>
          )}
        </details>
      )}
    </div>
  );
}
