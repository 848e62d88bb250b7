/** The command that makes the same file. */

/**
 * @param {{names: string[], method: string, task: string, scale: number | null, share: number, stretch: boolean}} choices
 * names of both images; scale of a network, null for another method
 */
export function commandOf({ names, method, task, scale, share, stretch }) {
  const words = ["wdualmine fuse", ...names.map(quote), "-o fused.png", `--method ${method}`];
  if (scale !== null) words.push(`--task ${task}`, `--residual-scale ${scale}`);
  else if (share < 1) words.push(`--blend ${share}`);
  if (!stretch) words.push("--no-stretch");
  return words.join(" ");
}

/** @param {string} word */
function quote(word) {
  return /^[\w./-]+$/.test(word) && !word.startsWith("-") ? word : `'./${word.replace(/'/g, "'\\''")}'`;
}
