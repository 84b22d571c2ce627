import { useSignal } from "@preact/signals";
import { cleanup, fireEvent, render, screen } from "@testing-library/preact";
import { afterEach, expect, it, vi } from "vitest";
import { ApiError } from "../api/http";
import type { Model } from "../api/types";
import { models, modelsError, unknown } from "../shell/models";
import { ModelSelect } from "./ModelSelect";
import { click, settle } from "./settle";

const model = (id: string, state = "ready", tasks: Model["tasks"] = ["embed"]): Model => ({ id, state, tasks });

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
  models.value = unknown;
  modelsError.value = null;
});

function Choice({ preset }: { preset?: number }) {
  const chosen = useSignal("");
  return (
    <ModelSelect
      task="embed"
      value={chosen.value}
      preset={preset}
      onChange={(id) => {
        chosen.value = id;
      }}
    />
  );
}

const select = () => screen.getByLabelText<HTMLSelectElement>("Model");

it("offers those that can do it, and begins with the first that is ready", async () => {
  render(<Choice />);
  expect(select().disabled).toBe(true);
  expect(screen.queryByText("No model for this can be used.")).toBeNull();
  models.value = [model("a", "loading"), model("r", "ready", ["rerank"]), model("b"), model("c")];
  await settle();
  expect([...select().options].map((o) => o.textContent)).toEqual(["a (Loading)", "b", "c"]);
  expect(select().value).toBe("b");
});

it("begins with another where several are shown beside each other", async () => {
  models.value = [model("a"), model("b")];
  render(<Choice preset={1} />);
  await settle();
  expect(select().value).toBe("b");
});

it("keeps the choice while it can be used", async () => {
  models.value = [model("a"), model("b"), model("c")];
  render(<Choice />);
  await settle();
  fireEvent.change(select(), { target: { value: "c" } });
  await settle();
  models.value = [model("b"), model("c", "loading")];
  await settle();
  expect(select().value).toBe("c");
  models.value = [model("b")];
  await settle();
  expect(select().value).toBe("b");
});

it("says that there is none", async () => {
  models.value = [model("r", "ready", ["rerank"])];
  render(<Choice />);
  await settle();
  expect(screen.getByText("No model for this can be used.")).toBeTruthy();
});

it("shows why there is no list, and asks again", async () => {
  modelsError.value = new ApiError("invalid key", 401, "", "invalid_api_key");
  render(<Choice />);
  await settle();
  expect(screen.getByRole("alert").textContent).toContain("invalid key");
  vi.stubGlobal("fetch", async () => Response.json({ data: [model("a")] }));
  await click(screen.getByRole("button", { name: "Try again" }));
  await vi.waitFor(() => expect(select().value).toBe("a"));
  expect(screen.queryByRole("alert")).toBeNull();
});
