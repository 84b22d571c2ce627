// For tests: what follows from an event, in promises and in what is drawn, is waited for.
import { act, fireEvent } from "@testing-library/preact";

/** Lets promises and effects run, such as an answer that is there already. */
export const settle = () => act(() => new Promise<void>((done) => setTimeout(done)));

export async function click(element: Element): Promise<void> {
  fireEvent.click(element);
  await settle();
}
