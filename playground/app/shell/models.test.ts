import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ApiError } from "../api/http";
import { key } from "./key";
import { followKey, models, modelsError, refreshModels } from "./models";

const list = (...ids: string[]) => Response.json({ data: ids.map((id) => ({ id, tasks: ["embed"], state: "ready" })) });
const asked = vi.fn<typeof fetch>();
const ids = () => models.value.map((m) => m.id);

beforeEach(() => {
  asked.mockReset();
  vi.stubGlobal("fetch", asked);
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
  key.value = "";
});

it("has the server's list", async () => {
  asked.mockResolvedValue(list("a", "b"));
  await refreshModels();
  expect(ids()).toEqual(["a", "b"]);
  expect(modelsError.value).toBeNull();
});

it("has the reason where there is none, and nothing of another key's models", async () => {
  asked.mockResolvedValueOnce(list("a"));
  await refreshModels();
  asked.mockResolvedValueOnce(Response.json({ error: { message: "wrong key", code: "invalid_api_key" } }, { status: 401 }));
  await refreshModels();
  expect(ids()).toEqual([]);
  expect(modelsError.value).toBeInstanceOf(ApiError);
  expect((modelsError.value as ApiError).status).toBe(401);
});

it("heeds the last of several answers, in whatever order they come", async () => {
  let first: (r: Response) => void = () => {};
  asked.mockImplementationOnce(
    (_, init) =>
      new Promise((answer, refuse) => {
        first = answer;
        init?.signal?.addEventListener("abort", () => refuse(new DOMException("aborted", "AbortError")));
      }),
  );
  asked.mockResolvedValueOnce(list("new"));
  const old = refreshModels();
  await refreshModels();
  first(list("old"));
  await old;
  expect(ids()).toEqual(["new"]);
  expect(modelsError.value).toBeNull();
});

describe("while the key is typed", () => {
  it("is asked for at once, and then when no more comes", async () => {
    vi.useFakeTimers();
    asked.mockImplementation(async () => list("a"));
    const end = followKey();
    await vi.advanceTimersByTimeAsync(0);
    expect(asked).toHaveBeenCalledTimes(1);
    for (const typed of ["q", "qk", "qk-1"]) {
      key.value = typed;
      await vi.advanceTimersByTimeAsync(100);
    }
    expect(asked).toHaveBeenCalledTimes(1);
    await vi.advanceTimersByTimeAsync(300);
    expect(asked).toHaveBeenCalledTimes(2);
    expect(asked.mock.lastCall?.[1]?.headers).toMatchObject({ Authorization: "Bearer qk-1" });
    end();
    key.value = "other";
    await vi.advanceTimersByTimeAsync(1000);
    expect(asked).toHaveBeenCalledTimes(2);
  });
});
