import { useSignal } from "@preact/signals";
import { choose, type Language, language, languages } from "../i18n/language";
import { key } from "./key";
import { type Theme, theme } from "./theme";
import { words } from "./words";

export function Header() {
  const w = words.value;
  return (
    <header class="top">
      <div class="title">
        <h1>{w.title}</h1>
        <a href="/docs">{w.api}</a>
      </div>
      <div class="settings">
        <Key />
        <label>
          {w.language}
          <select value={language.value} onChange={(e) => choose(e.currentTarget.value as Language)}>
            {Object.entries(languages).map(([tag, name]) => (
              <option key={tag} value={tag} lang={tag}>
                {name}
              </option>
            ))}
          </select>
        </label>
        <label>
          {w.theme}
          <select
            value={theme.value}
            onChange={(e) => {
              theme.value = e.currentTarget.value as Theme;
            }}
          >
            <option value="system">{w.system}</option>
            <option value="light">{w.light}</option>
            <option value="dark">{w.dark}</option>
          </select>
        </label>
      </div>
    </header>
  );
}

function Key() {
  const w = words.value;
  const shown = useSignal(false);
  return (
    // In a form, as browsers want password fields to be. There is nothing to submit.
    <form class="key" autocomplete="off" onSubmit={(e) => e.preventDefault()}>
      <label for="key">{w.key}</label>
      <div class="row">
        <input
          id="key"
          {...({ type: shown.value ? "text" : "password" } as { type: "text" })}
          value={key.value}
          autocomplete="off"
          spellcheck={false}
          aria-describedby="key-hint"
          onInput={(e) => {
            key.value = e.currentTarget.value.trim();
          }}
        />
        <button
          type="button"
          aria-controls="key"
          onClick={() => {
            shown.value = !shown.value;
          }}
        >
          {shown.value ? w.hide : w.show}
        </button>
      </div>
      <small id="key-hint">{w.keyHint}</small>
    </form>
  );
}
