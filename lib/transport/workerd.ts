/**
 * Whether the runtime is workerd. Its node:net and node:tls (2026-11) differ from those of Node:
 * - It detaches the `onread` buffer while reading, which WebAssembly memory does not allow.
 * - `tls.connect` throws if it gets `ALPNProtocols`.
 * - `tls.connect` verifies the name of the connected host and ignores `servername`.
 */
export function isWorkerd(): boolean {
  const { navigator } = globalThis as { navigator?: { userAgent?: string } }
  return navigator?.userAgent === 'Cloudflare-Workers'
}
