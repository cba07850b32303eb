/** What a request asks for, to be shown: a query, and credentials in a target, are nobody's business. */
export function shownRequest({ method, path }: { method: string; path: string }): string {
  return `${method} ${path.replace(/[?#].*|(?<=\/\/)[^/?#]*@/gs, '')}`
}
