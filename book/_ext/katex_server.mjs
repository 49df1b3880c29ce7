// Renders formulas for katex_math.py: one JSON request a line on standard input, one JSON answer a line on output.
import { createInterface } from "node:readline";
import { createRequire } from "node:module";

const katex = createRequire(import.meta.url)("katex");

function answer({ formula, display }) {
  try {
    const html = katex.renderToString(formula, {
      displayMode: display, output: "htmlAndMathml", throwOnError: true, strict: "error", trust: false,
    });
    return { html };
  } catch (trouble) {
    return { error: String(trouble.message).replace(/\s+/g, " ") };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(answer(JSON.parse(line)))}\n`);
}
