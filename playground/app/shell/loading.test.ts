import { beforeEach, expect, it } from "vitest";
import { choose } from "../i18n/language";
import { notLoaded, workerFailed } from "./loading";

beforeEach(() => choose("en"));

const reload = /could not be loaded \((.*)\)\. If the server has been updated .* reload the page\.$/;

it("a part that is not there any more says what can be done", () => {
  const reason = new TypeError("Failed to fetch dynamically imported module: http://localhost/playground/echarts.js");
  const error = notLoaded(reason);
  expect(reload.exec(error.message)?.[1]).toBe(reason.message);
  expect(error.cause).toBe(reason);
});

it.each([
  ["", "worker.js"],
  ["Uncaught SyntaxError: The requested module './app.js' does not provide an export named 'x'", undefined],
])("a worker that cannot be loaded says so: %j", (message, told = message) => {
  expect(reload.exec(workerFailed("worker.js", new ErrorEvent("error", { message })).message)?.[1]).toBe(told);
});

it("a worker that fails later has its own words", () => {
  expect(workerFailed("worker.js", new ErrorEvent("error", { message: "out of memory" })).message).toBe("out of memory");
});
