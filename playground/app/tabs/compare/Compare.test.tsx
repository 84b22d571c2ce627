import { cleanup, fireEvent, render, screen, waitFor, within } from "@testing-library/preact";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { choose } from "../../i18n/language";
import { models, modelsError } from "../../shell/models";
import { Compare } from "./Compare";
import { limits } from "./compare";
import { chosenOf } from "./ModelChoice";
import { angles, refused, served } from "./server.fake";
import { examples } from "./words";

// There are neither workers nor canvases here: the functions are the worker's own, and a map tells what it is given.
vi.mock("../../math", async () => {
  const { agreement } = await import("../../math/agreement");
  const { cluster } = await import("../../math/cluster");
  const { cosine } = await import("../../math/cosine");
  return { math: { agreement: async (...a: Parameters<typeof agreement>) => agreement(...a), cluster, cosine } };
});
vi.mock("../../charts/Heatmap", () => ({
  Heatmap: ({ title, matrix, order, min, max }: { title: string; matrix: Float32Array; order?: number[]; min: number; max: number }) => (
    <figure
      aria-label={title}
      data-matrix={[...matrix].map((v) => v.toFixed(2)).join()}
      data-order={order?.join()}
      data-scale={`${min} ${max}`}
    />
  ),
}));

const model = (id: string, state = "ready", tasks: ("embed" | "rerank")[] = ["embed"]) => ({ id, tasks, state });

beforeEach(() => {
  choose("en");
  modelsError.value = null;
  models.value = [model("r", "ready", ["rerank"]), model("a", "loading"), ...["b", "c", "d", "e", "f"].map((id) => model(id))];
});

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

const box = (name: string) => screen.getByRole<HTMLInputElement>("checkbox", { name });
const ticked = () => screen.getAllByRole<HTMLInputElement>("checkbox").filter((b) => b.checked);
const button = () => screen.getByRole<HTMLButtonElement>("button", { name: "Compare" });
const write = (texts: string[]) => fireEvent.input(screen.getByRole("textbox"), { target: { value: texts.join("\n") } });
const finished = (models: string) => screen.findByText(new RegExp(`^Compared ${models}`), {}, { timeout: 20_000 });
const maps = () => screen.getAllByRole("figure");

test("what is ready is chosen at the start, and what has gone is not kept", () => {
  const all = models.value;
  expect(chosenOf(all, null)).toEqual(["b", "c"]);
  expect(chosenOf(all, ["e", "gone", "r", "a"])).toEqual(["e", "a"]);
  expect(chosenOf([], null)).toEqual([]);
});

test("compares the example at once", async () => {
  const bodies = served(({ input }) => angles(input.map((_, i) => i * i)));
  render(<Compare />);
  await fireEvent.click(button());
  await finished("2 models on 12 texts");
  expect(bodies.map((b) => b.model)).toEqual(["b", "c"]);
  expect(bodies[0]?.input.join("\n")).toBe(examples.value.texts);
  expect(maps().map((m) => m.getAttribute("aria-label"))).toEqual(["b: Cosine similarity", "c: Cosine similarity"]);
});

test("offers the models that embed, and no more than four at once", async () => {
  render(<Compare />);
  expect(screen.queryByRole("checkbox", { name: "r" })).toBeNull();
  expect(ticked()).toHaveLength(2);
  await fireEvent.click(box("d"));
  await fireEvent.click(box("a (Loading)"));
  expect(ticked()).toHaveLength(4);
  expect([box("e").disabled, box("f").disabled, box("b").disabled]).toEqual([true, true, false]);
  expect(screen.getByText(/Four models are chosen/)).toBeTruthy();
  await fireEvent.click(box("b"));
  expect([box("e").disabled, screen.queryByText(/Four models are chosen/)]).toEqual([false, null]);
});

test("needs two models and three texts", async () => {
  render(<Compare />);
  await fireEvent.click(box("b"));
  expect([button().disabled, !!screen.queryByText("Choose at least two models.")]).toEqual([true, true]);
  await fireEvent.click(box("b"));
  expect(button().disabled).toBe(false);
  await write(["one", "two"]);
  expect([button().disabled, !!screen.queryByText("Enter at least three texts.")]).toEqual([true, true]);
  await write(["one", "two", "three"]);
  expect([button().disabled, screen.queryByText("Enter at least three texts.")]).toEqual([false, null]);
});

test("takes the first 200 texts and says so", async () => {
  const bodies = served(({ input }) => angles(input.map((t) => Number(t) / 10)));
  render(<Compare />);
  await write(Array.from({ length: limits.texts.max + 50 }, (_, i) => String(i)));
  expect(screen.getByText("Only the first 200 of 250 texts are compared.")).toBeTruthy();
  await fireEvent.click(button());
  await finished("2 models on 200 texts");
  expect(bodies.filter((b) => b.model === "b").flatMap((b) => b.input)).toEqual(Array.from({ length: 200 }, (_, i) => String(i)));
}, 30_000);

test("shows all maps on one scale and in one order", async () => {
  served(({ model }) => (model === "b" ? angles([0, 80, 5]) : angles([0, 10, 110])));
  render(<Compare />);
  await write(["one", "two", "three"]);
  await fireEvent.click(button());
  await finished("2 models");
  const of = (name: string) => maps().map((m) => m.getAttribute(`data-${name}`));
  // The least is the cosine of 110 degrees, −0.34.
  expect(of("scale")).toEqual(["-0.4 1", "-0.4 1"]);
  expect(of("order")).toEqual([null, null]);
  await fireEvent.change(screen.getByLabelText("Order of the texts"), { target: { value: "b" } });
  expect(of("order")).toEqual(["0,2,1", "0,2,1"]);
  await fireEvent.change(screen.getByLabelText("Order of the texts"), { target: { value: "c" } });
  expect(of("order")).toEqual(["0,1,2", "0,1,2"]);
  await fireEvent.change(screen.getByLabelText("Colours show"), { target: { value: "percentile" } });
  expect(of("scale")).toEqual(["0 1", "0 1"]);
  expect(of("matrix")).toEqual(["1.00,0.00,1.00,0.00,1.00,0.50,1.00,0.50,1.00", "1.00,1.00,0.00,1.00,1.00,0.50,0.00,0.50,1.00"]);
});

test("shows the failure of one with the others' results", async () => {
  served(({ model, input }) => (model === "c" ? refused(500, "the model is gone", "internal_error") : angles(input.map((_, i) => i * 7))));
  render(<Compare />);
  await fireEvent.click(box("d"));
  await fireEvent.click(button());
  await finished("2 models");
  expect(screen.getByRole("heading", { name: "c gave no result" })).toBeTruthy();
  expect(screen.getByRole("alert").textContent).toContain("the model is gone");
  expect(maps()).toHaveLength(2);
  expect(screen.getByRole("heading", { name: "Agreement" })).toBeTruthy();
});

test("says so when the form holds something else than what was compared", async () => {
  served(({ input }) => angles(input.map((_, i) => i * 7)));
  render(<Compare />);
  await write(["one", "two", "three"]);
  await fireEvent.click(button());
  await finished("2 models");
  const stale = () => screen.queryByText("The form has changed since these results.") !== null;
  expect(stale()).toBe(false);
  await write(["one", "two", "four"]);
  expect(stale()).toBe(true);
  await write(["one", "two", "three"]);
  expect(stale()).toBe(false);
  await fireEvent.click(box("d"));
  expect(stale()).toBe(true);
});

test("a comparison that is begun anew and fails leaves no former result", async () => {
  served(({ input }) => angles(input.map((_, i) => i * 7)));
  render(<Compare />);
  await fireEvent.click(button());
  await finished("2 models");
  served((_, signal) => new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason))));
  await fireEvent.click(button());
  await fireEvent.click(await screen.findByRole("button", { name: "Cancel" }));
  await screen.findByText("Cancelled after 0 of 24.");
  expect(screen.queryAllByRole("figure")).toEqual([]);
});

test("one result alone is shown, without agreement", async () => {
  served(({ model, input }) => (model === "c" ? refused(404, "not here", "model_not_found") : angles(input.map((_, i) => i))));
  render(<Compare />);
  await fireEvent.click(button());
  await finished("1 model");
  expect(maps()).toHaveLength(1);
  expect(screen.getByText("Agreement needs the results of at least two models.")).toBeTruthy();
  expect(screen.queryByRole("heading", { name: "Agreement" })).toBeNull();
});

test("lists where two models disagree, with both values and ranks", async () => {
  served(({ model }) => (model === "b" ? angles([0, 10, 30]) : model === "c" ? angles([0, 90, 20]) : angles([0, 10, 30])));
  render(<Compare />);
  await fireEvent.click(box("d"));
  await write(["<img src=x onerror=alert(1)>", "two", "three"]);
  await fireEvent.click(button());
  await finished("3 models");
  const widest = () => {
    const table = screen.getByRole("region", { name: "Largest rank differences first" });
    const first = within(table).getAllByRole("row")[1] as HTMLElement;
    return [...first.children].map((cell) => cell.textContent);
  };
  expect(widest()).toEqual(["<img src=x onerror=alert(1)>", "two", "0.985", "0.000", "1", "3", "2"]);
  expect(document.querySelector("img")).toBeNull();
  await fireEvent.change(screen.getByLabelText("Pair of models"), { target: { value: "1" } });
  await waitFor(() => expect(widest()).toEqual(["<img src=x onerror=alert(1)>", "two", "0.985", "0.985", "1", "1", "0"]));
  expect(screen.getByText(/between b \(A\) and d \(B\)/)).toBeTruthy();
});

test("a correlation that is not defined is a dash", async () => {
  served(({ model, input }) => angles(input.map((_, i) => (model === "c" ? 5 : i))));
  render(<Compare />);
  await fireEvent.click(button());
  await finished("2 models");
  const table = screen.getByRole("region", { name: "Rank correlation over all pairs of texts" });
  expect(within(table).getAllByText("–")).toHaveLength(2);
  expect(screen.getByText(/A dash: not defined/)).toBeTruthy();
});

test("the example is in the user's language, and his own texts stay", async () => {
  render(<Compare />);
  const field = () => screen.getByRole<HTMLTextAreaElement>("textbox");
  choose("ko");
  await waitFor(() => expect(field().value).toBe(examples.value.texts));
  expect(field().value).toContain("비밀번호");
  await write(["one", "two", "three"]);
  choose("ru");
  await screen.findByRole("button", { name: "Сравнить" });
  expect(field().value).toBe("one\ntwo\nthree");
});
