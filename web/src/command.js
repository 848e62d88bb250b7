/** The command that makes the same file. */

/**
 * @param {{
 *   names: string[], method: string, task: string, scale: number | null, share: number, stretch: boolean,
 *   output?: string, windows?: string[],
 * }} choices names of both images; scale of a network, null for another method; windows of both, "" for none
 */
export function commandOf({ names, method, task, scale, share, stretch, output = "fused.png", windows = [] }) {
  const words = ["wdualmine fuse", ...names.map(quote), `-o ${output}`, `--method ${method}`];
  if (scale !== null) words.push(`--task ${task}`, `--residual-scale ${scale}`);
  else if (share < 1) words.push(`--blend ${share}`);
  windows.forEach((window, k) => window && words.push(`--window-${"ab"[k]}=${window.replace(/\s/g, "")}`));
  if (!stretch) words.push("--no-stretch");
  return words.join(" ");
}

/** @param {string} word */
function quote(word) {
  return /^[\w./-]+$/.test(word) && !word.startsWith("-") ? word : `'./${word.replace(/'/g, "'\\''")}'`;
}
