import { afterEach, expect, it, vi } from "vitest";
import { copy } from "./copy";

afterEach(() => vi.unstubAllGlobals());

/** A page that is served without HTTPS has no clipboard; `allowed` is what the old way answers. */
function insecure(allowed: boolean): string[] {
  const copied: string[] = [];
  vi.stubGlobal("navigator", {});
  document.execCommand = () => {
    copied.push((document.activeElement as HTMLTextAreaElement).value);
    return allowed;
  };
  return copied;
}

it("copies a selection where there is no clipboard, and leaves nothing behind", async () => {
  const copied = insecure(true);
  const button = document.body.appendChild(document.createElement("button"));
  button.focus();
  await copy("a\nb");
  expect(copied).toEqual(["a\nb"]);
  expect(document.querySelector("textarea")).toBeNull();
  expect(document.activeElement).toBe(button);
});

it("fails where that is not allowed", async () => {
  insecure(false);
  await expect(copy("a")).rejects.toThrow("does not allow");
});
