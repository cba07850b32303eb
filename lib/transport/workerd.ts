/**
 * Whether this is workerd, whose node:net and node:tls (2026-11) lack what others have:
 * - It detaches the buffer given to `onread` while it reads, which WebAssembly memory does not allow.
 * - `tls.connect` throws when told of `ALPNProtocols`.
 * - `tls.connect` verifies the name of the host it opens a socket to, whatever `servername` says.
 */
export function isWorkerd(): boolean {
  const { navigator } = globalThis as { navigator?: { userAgent?: string } }
  return navigator?.userAgent === 'Cloudflare-Workers'
}
