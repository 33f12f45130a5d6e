// Builds app.js and app.css into the folder that OUT names, with the licence of what is built in.
import { readFileSync } from "node:fs";
import { build } from "esbuild";

const licence = readFileSync("node_modules/preact/LICENSE", "utf8").trim();
await build({
  entryPoints: ["src/main.tsx", "src/app.css"],
  entryNames: "app",
  outdir: process.env.OUT ?? "../static",
  bundle: true,
  minify: true,
  target: "es2022",
  charset: "utf8",
  jsx: "automatic",
  jsxImportSource: "preact",
  banner: { js: `/* Holds Preact:\n\n${licence}\n*/` },
});
