import { cleanup, render, screen } from "@testing-library/preact";
import { afterEach, expect, it } from "vitest";
import { ApiError } from "../api/http";
import { Problem } from "./Problem";

afterEach(cleanup);

it("is nothing where there is none", () => {
  const { container } = render(<Problem error={null} />);
  expect(container.innerHTML).toBe("");
});

it("shows the server's words and its answer, as text", () => {
  const body = '{"error":{"message":"no <img src=x onerror=alert(1)>"}}';
  render(<Problem error={new ApiError("no <img src=x onerror=alert(1)>", 404, body, "model_not_found", "model", "req-7")} />);
  const alert = screen.getByRole("alert");
  expect(alert.querySelector("img")).toBeNull();
  expect(alert.querySelector("p")?.textContent).toBe("404 model_not_found no <img src=x onerror=alert(1)>");
  expect(alert.querySelector("pre")?.textContent).toBe(body);
  expect(alert.textContent).toContain("Request: req-7");
});

it("says that no answer came", () => {
  render(<Problem error={new ApiError("Failed to fetch", 0)} />);
  expect(screen.getByRole("alert").textContent).toBe("No answer from the server Failed to fetch");
});

it.each([[new Error("the file is too large")], ["the file is too large"]])("shows other errors: %s", (error) => {
  render(<Problem error={error} />);
  expect(screen.getByRole("alert").textContent).toBe("the file is too large");
});
