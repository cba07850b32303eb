/** Describes a request by method and path, without query and credentials, which may be secret. */
export function shownRequest({ method, path }: { method: string; path: string }): string {
  return `${method} ${path.replace(/[?#].*|(?<=\/\/)[^/?#]*@/gs, '')}`
}
