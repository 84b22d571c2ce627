// Texts on canvases. They are the user's, and nothing in them is markup.

const wide = /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Extended_Pictographic}/u;

/** The columns that a character takes: Korean, Chinese and Japanese ones take two. */
const columns = (character: string) => (wide.test(character) ? 2 : 1);

/** Breaks a text into lines of so many columns; of more than `most` lines the rest is left out. */
export function wrap(text: string, width = 56, most = 4): string {
  const out: string[] = [];
  let line = "";
  let used = 0;
  for (const character of text.replace(/\s+/g, " ").trim()) {
    const takes = columns(character);
    if (used + takes > width) {
      out.push(line);
      if (out.length === most) return `${out.join("\n")}…`;
      line = "";
      used = 0;
    }
    line += character;
    used += takes;
  }
  return [...out, line].join("\n");
}

/** The beginning of a text, in one line. */
export const short = (text: string, width = 24) => wrap(text, width, 1);

/** ECharts reads `{name|text}` in a tooltip as a style; a joiner that nobody sees keeps it from that. */
export const plain = (text: string) => text.replace(/\{(?=\w+\|)/g, "{\u2060");
