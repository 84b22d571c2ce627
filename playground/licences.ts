// Gathers the licences of all packages of which the built files hold code.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Plugin } from "vite";

const FILE = "LICENSES.txt";

/** Names and contents of licence files: the Apache licence asks for the NOTICE as well. */
const WANTED = /^(licen[cs]e|copying|notice)([.-].*)?$/i;

/** What the bundler itself puts in has no file of its own. */
const HELPERS: [prefix: string, name: string][] = [
  ["\0vite/", "vite"],
  ["\0rolldown/", "rolldown"],
];

/** The folder of the package that a module is of; undefined: it is the page's own. */
function packageOf(root: string, id: string): string | undefined {
  const helper = HELPERS.find(([prefix]) => id.startsWith(prefix));
  if (helper) return join(root, "node_modules", helper[1]);
  return /^\0?(.*\/node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(id)?.[1];
}

/** Licences of what the bundler was itself built from: only its own code is put in. */
const OF_THE_BUNDLER = /\n# Licenses of bundled dependencies[\s\S]*/;

/** ECharts keeps those of code that it took over in a folder. */
const FOLDER = "licenses";

/**
 * Adds the packages that those need: a package may be published with them bundled in, as ml-matrix is,
 * and no module then says so. Of the bundler only its own code is put in.
 */
function withDependencies(root: string, folders: Set<string>): Set<string> {
  const helpers = HELPERS.map(([, name]) => join(root, "node_modules", name));
  const all = new Set(folders);
  for (const folder of all) {
    if (helpers.includes(folder)) continue;
    const { dependencies = {} } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    for (const name of Object.keys(dependencies)) {
      const own = join(folder, "node_modules", name);
      all.add(existsSync(own) ? own : join(root, "node_modules", name));
    }
  }
  return all;
}

function licenceOf(folder: string): string {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const files = readdirSync(folder).filter((file) => WANTED.test(file));
  if (files.length === 0) throw new Error(`${name} ${version} is in the built files, and has no licence file`);
  if (existsSync(join(folder, FOLDER))) files.push(...readdirSync(join(folder, FOLDER)).map((file) => join(FOLDER, file)));
  const texts = files.sort().map((file) => {
    const text = readFileSync(join(folder, file), "utf8").replace(/\r\n/g, "\n");
    return text.replace(OF_THE_BUNDLER, "").trim();
  });
  return [`${name} ${version} (${license})`, ...texts].join("\n\n");
}

/**
 * A plugin for the page's build and one for its workers', which Vite builds apart and before. The
 * page's writes the file.
 */
export function licences(root: string): { page: Plugin; worker: Plugin } {
  const folders = new Set<string>();
  const collect: Plugin["generateBundle"] = (_options, bundle) => {
    for (const file of Object.values(bundle)) {
      if (file.type !== "chunk") continue;
      for (const [id, module] of Object.entries(file.modules)) {
        const folder = packageOf(root, id);
        if (folder && module.renderedLength > 0) folders.add(folder);
      }
    }
  };
  return {
    worker: { name: "licences-of-workers", apply: "build", generateBundle: collect },
    page: {
      name: "licences",
      apply: "build",
      generateBundle(options, bundle, isWrite) {
        collect.call(this, options, bundle, isWrite);
        const rule = `\n\n${"-".repeat(72)}\n\n`;
        const source = `${[...withDependencies(root, folders)].map(licenceOf).sort().join(rule)}\n`;
        this.emitFile({ type: "asset", fileName: FILE, source });
      },
    },
  };
}
