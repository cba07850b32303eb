/** Files that a document names and that are not there, by `where/what.ts` as the house writes them. */
export function lostPaths(text: string, exists: (path: string) => boolean): string[] {
  const named = text.matchAll(/(?<![\w./-])((?:[a-z-]+\/)+[a-z-]+(?:\.test)?\.(?:ts|mjs))\b/g)
  return [...new Set([...named].map(([, path]) => path as string))].filter((path) => !exists(path))
}
