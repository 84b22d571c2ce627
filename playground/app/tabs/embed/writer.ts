// The worker that writes files of vectors: 5,000 texts are two million numbers as text, which would hold up
// the page for seconds.
import * as Comlink from "comlink";
import { type Language, language } from "../../i18n/language";
import { contents } from "./contents";

// Its errors are in the page's language, which the worker bears as its name.
language.value = self.name as Language;

Comlink.expose(contents);
