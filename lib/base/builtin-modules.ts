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
 * A module of the runtime, loaded when it is asked for and not when this library is: `node:tls` alone takes longer to
 * load than all of this library, and while it is not loaded Node (24, 26) can take a start-up snapshot.
 */
export function builtinModule<Name extends keyof Builtins>(name: Name): Builtins[Name] {
  loaded[name] ??= process.getBuiltinModule(name) as Builtins[Name]
  return loaded[name] as Builtins[Name]
}

/** The bytes that stand in a module as base64 of their Brotli form. */
export function decompressBase64(text: string): Uint8Array {
  return builtinModule('node:zlib').brotliDecompressSync(Buffer.from(text, 'base64'))
}
