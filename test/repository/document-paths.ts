/** Returns the files that a document names, as `folder/file.ts`, and that do not exist. */
export function missingPaths(text: string, exists: (path: string) => boolean): string[] {
  const named = text.matchAll(/(?<![\w./-])((?:[a-z-]+\/)+[a-z-]+(?:\.test)?\.(?:ts|mjs))\b/g)
  return [...new Set([...named].map(([, path]) => path as string))].filter((path) => !exists(path))
}
