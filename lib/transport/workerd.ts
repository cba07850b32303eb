/**
 * Whether this is workerd, whose node:net and node:tls (2026-11) lack what others have:
 * - It detaches the buffer given to `onread` while it reads, which WebAssembly memory does not allow.
 * - `tls.connect` throws when told of `ALPNProtocols`.
 */
export function isWorkerd(): boolean {
  const { navigator } = globalThis as { navigator?: { userAgent?: string } }
  return navigator?.userAgent === 'Cloudflare-Workers'
}
