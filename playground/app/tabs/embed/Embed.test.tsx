import { cleanup, fireEvent, render, screen, waitFor, within } from "@testing-library/preact";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { choose } from "../../i18n/language";
import { words as common } from "../../parts/words";
import { models, modelsError } from "../../shell/models";
import { Embed } from "./Embed";
import { embedded, serve } from "./server.fake";
import { words } from "./words";

// There are neither workers nor canvases here: the functions are the worker's own, and charts tell what they are given.
const failing = vi.hoisted(() => ({ project: false }));
vi.mock("../../math", async () => {
  const { cluster } = await import("../../math/cluster");
  const { cosine, nearest } = await import("../../math/cosine");
  const { project } = await import("../../math/project");
  type Sync = (...args: never[]) => unknown;
  const later =
    <F extends Sync>(f: F) =>
    async (...args: Parameters<F>) =>
      f(...args) as ReturnType<F>;
  const projected = later((...args: Parameters<typeof project>) => {
    if (failing.project) throw new Error("the worker has failed");
    return project(...args);
  });
  return { math: { cosine: later(cosine), cluster: later(cluster), nearest: later(nearest), project: projected } };
});
vi.mock("../../charts/Heatmap", () => ({
  Heatmap: ({ n, matrix, order, labels }: { n: number; matrix: Float32Array; order?: number[]; labels: string[] }) => (
    <figure aria-label="map" data-n={n} data-cells={matrix.length} data-order={order?.join()} data-labels={labels.length} />
  ),
}));
vi.mock("../../charts/Scatter", () => ({
  Scatter: ({ points, chosen, onPick }: { points: Float32Array; chosen: number; onPick: (i: number) => void }) => (
    <figure aria-label="plane" data-points={points.length / 2} data-chosen={chosen}>
      <button type="button" onClick={() => onPick(2)}>
        pick the third
      </button>
    </figure>
  ),
}));

beforeEach(() => {
  choose("en");
  failing.project = false;
  modelsError.value = null;
  models.value = [{ id: "m", tasks: ["embed"], state: "ready", dimensions: 3 }];
});
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

const texts = () => screen.getByLabelText<HTMLTextAreaElement>(words.value.texts);
const write = (...lines: string[]) => fireEvent.input(texts(), { target: { value: lines.join("\n") } });
const run = () => fireEvent.click(screen.getByRole("button", { name: "Embed" }));
const region = (name: string) => screen.findByRole("region", { name });
const facts = async () => (await region("Result")).textContent;
const neighbours = async () => {
  const table = await within(await region("Nearest texts")).findByRole("table");
  return within(table)
    .getAllByRole("row")
    .slice(1)
    .map((row) => row.children[1]?.textContent);
};

test("embeds the examples at once, in the page's language, until something is written", async () => {
  const asked = serve();
  render(<Embed />);
  await run();
  expect(await facts()).toContain("Texts10");
  expect(asked[0]).toMatchObject({ model: "m", input: words.value.examples.split("\n") });
  choose("ko");
  await waitFor(() => expect(texts().value).toBe(words.value.examples));
  expect(texts().value).toMatch(/^주문한 택배/);
  await write("mine");
  choose("ru");
  await waitFor(() => expect(screen.getByText(common.value.stale)).toBeTruthy());
  expect(texts().value).toBe("mine");
});

test("shows the model, tokens, dimensions and the server's times", async () => {
  serve();
  render(<Embed />);
  await write("1 0", "0 1", "1 1");
  await run();
  expect(await facts()).toMatch(/Modelm.*Back endfake.*Texts3.*Tokens9.*Dimensions2.*tokenization 1 ms, queue 2 ms, inference 3 ms/);
});

test("asks for the dimensions that were entered", async () => {
  const asked = serve();
  render(<Embed />);
  await run();
  await facts();
  await fireEvent.input(screen.getByLabelText("Dimensions"), { target: { value: "2" } });
  expect(screen.getByText(common.value.stale)).toBeTruthy();
  await run();
  await waitFor(() => expect(asked).toHaveLength(2));
  expect(asked.map((a) => a.dimensions)).toEqual([undefined, 2]);
  await facts();
  expect(screen.queryByText(common.value.stale)).toBeNull();
});

test("orders the map as entered, clustered, and by the similarity to a text", async () => {
  serve();
  render(<Embed />);
  await write("1 0", "0 1", "1 0.1", "0.2 1");
  await run();
  const order = async () => (await screen.findByRole("figure", { name: "map" })).dataset.order;
  expect(await order()).toBeUndefined();
  const by = screen.getByLabelText("Order");
  await fireEvent.change(by, { target: { value: "clustered" } });
  expect(await order()).toBe("0,2,1,3");
  await fireEvent.change(by, { target: { value: "nearness" } });
  expect(await order()).toBe("0,2,3,1");
  await fireEvent.change(screen.getByLabelText("Similar to the text"), { target: { value: "1" } });
  expect(await order()).toBe("1,3,2,0");
});

test("shows the neighbours of the text that is chosen in the list or in the plane", async () => {
  serve();
  render(<Embed />);
  await write("1 0", "0 1", "1 0.1", "0.2 1");
  await run();
  expect(await neighbours()).toEqual(["1 0.1", "0.2 1", "0 1"]);
  await fireEvent.change(screen.getByLabelText("Near to the text"), { target: { value: "1" } });
  await waitFor(async () => expect(await neighbours()).toEqual(["0.2 1", "1 0.1", "1 0"]));
  expect(screen.getByRole("figure", { name: "plane" }).dataset.chosen).toBe("1");
  await fireEvent.click(screen.getByRole("button", { name: "pick the third" }));
  await waitFor(async () => expect(await neighbours()).toEqual(["1 0", "0.2 1", "0 1"]));
});

test("of many texts the map has the first, and says so; the plane has all", async () => {
  serve();
  render(<Embed />);
  await write(...Array.from({ length: 300 }, (_, i) => `${i} 1 ${i % 7}`));
  await run();
  const map = await screen.findByRole("figure", { name: "map" });
  expect(map.dataset).toMatchObject({ n: "200", cells: "40000", labels: "200" });
  expect(screen.getByText("The first 200 of 300 texts are shown.")).toBeTruthy();
  expect((await screen.findByRole("figure", { name: "plane" })).dataset.points).toBe("300");
  expect(await facts()).toContain("Requests5");
});

test("says what one text, two texts and equal texts lack", async () => {
  serve();
  render(<Embed />);
  await write("1 0");
  await run();
  expect(await screen.findAllByText("With one text there is nothing to compare.")).toHaveLength(2);
  await write("1 0", "0 1");
  await run();
  expect(await screen.findByText("A projection needs at least three texts.")).toBeTruthy();
  await write("1 0", "1 0", "1 0");
  await run();
  expect(await screen.findByText("The vectors do not differ, so there is nothing to project.")).toBeTruthy();
});

test("cannot run without texts or without a model", async () => {
  serve();
  render(<Embed />);
  const button = screen.getByRole<HTMLButtonElement>("button", { name: "Embed" });
  expect(button.disabled).toBe(false);
  await write("  ", "");
  expect(button.disabled).toBe(true);
  cleanup();
  models.value = [];
  render(<Embed />);
  expect(screen.getByRole<HTMLButtonElement>("button", { name: "Embed" }).disabled).toBe(true);
});

test("drops what was done when it is cancelled, says how much that was, and can run again", async () => {
  const stuck = new Promise<Response>(() => {});
  let held = true;
  serve((asked, at) => (held && at > 0 ? stuck : embedded(asked)));
  render(<Embed />);
  await write(...Array.from({ length: 200 }, (_, i) => `${i} 1`));
  await run();
  expect(await screen.findByText("64 of 200")).toBeTruthy();
  await fireEvent.click(screen.getByRole("button", { name: "Cancel" }));
  expect(await screen.findByText("Cancelled after 64 of 200.")).toBeTruthy();
  expect(screen.queryByRole("region", { name: "Result" })).toBeNull();
  expect(screen.queryByRole("alert")).toBeNull();
  held = false;
  await run();
  expect(await facts()).toContain("Texts200");
  expect(screen.queryByText(/Cancelled after/)).toBeNull();
});

test("an error stands in the result's place, in the server's words", async () => {
  serve((asked, at) =>
    at === 0
      ? embedded(asked)
      : new Response(JSON.stringify({ error: { message: "model m cannot be cut", code: "bad" } }), { status: 400 }),
  );
  render(<Embed />);
  await run();
  await facts();
  await run();
  const alert = await screen.findByRole("alert");
  expect(alert.textContent).toContain("model m cannot be cut");
  expect(screen.queryByRole("region", { name: "Result" })).toBeNull();
});

test("a computation that fails is told in its place, and the rest stands", async () => {
  failing.project = true;
  serve();
  render(<Embed />);
  await run();
  const plane = await region("Projection (PCA)");
  expect((await within(plane).findByRole("alert")).textContent).toBe("the worker has failed");
  expect(await screen.findByRole("figure", { name: "map" })).toBeTruthy();
});

test("texts are shown as text, never as markup", async () => {
  const evil = '<img src=x onerror="document.title=1"><script>1</script>';
  serve();
  const { container } = render(<Embed />);
  await write(evil, `${evil} 2`, `${evil} 3`);
  await run();
  expect(await neighbours()).toContain(`${evil} 2`);
  expect(container.querySelectorAll("img, script")).toHaveLength(0);
});
