interface Builtins {
  'node:async_hooks': typeof import('node:async_hooks')
  'node:dns': typeof import('node:dns')
  'node:net': typeof import('node:net')
  'node:stream': typeof import('node:stream')
  'node:tls': typeof import('node:tls')
  'node:zlib': typeof import('node:zlib')
}

const loaded: Partial<Builtins> = {}

/**
 * Returns a built-in module of the runtime, loaded on first use. `node:tls` alone takes longer to load than this whole
 * library, and Node (24, 26) can take a start-up snapshot only while it is not loaded.
 */
export function builtinModule<Name extends keyof Builtins>(name: Name): Builtins[Name] {
  loaded[name] ??= process.getBuiltinModule(name) as Builtins[Name]
  return loaded[name] as Builtins[Name]
}

/** Decodes base64 text and decompresses it with Brotli. */
export function decompressBase64(text: string): Uint8Array {
  return builtinModule('node:zlib').brotliDecompressSync(Buffer.from(text, 'base64'))
}
