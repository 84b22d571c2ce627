import { render } from "preact";
import { App } from "./shell/App";
import { followKey } from "./shell/models";

followKey();
render(<App />, document.getElementById("app") as HTMLElement);
