import type { BodyInput } from '../../lib/exchange/request.js'
import type { MadeBody, SourceParts } from './bodies.js'

/** Kinds of bodies that are completely in memory. */
export const WHOLE = ['string', 'bytes', 'buffer', 'view', 'shared', 'blob', 'form', 'parameters'] as const
export type WholeKind = (typeof WHOLE)[number]

/** A body that is completely in memory: it can neither fail nor be left open. */
export function wholeBody(kind: WholeKind, parts: SourceParts): MadeBody {
  const { upload, memory } = parts
  const text = () => upload.toString('latin1')
  const plain = (body: unknown): MadeBody => ({ body: body as BodyInput, streams: false, closed: () => true })
  switch (kind) {
    case 'string':
      return plain(text())
    case 'bytes':
      return plain(memory.lend(upload))
    case 'buffer': {
      const { buffer, byteLength } = memory.lend(upload)
      return plain(byteLength === buffer.byteLength ? buffer : text())
    }
    case 'view':
      return plain(viewOf(memory.lend(upload)))
    case 'shared': {
      const shared = new SharedArrayBuffer(upload.length)
      new Uint8Array(shared).set(upload)
      return plain(parts.random.chance(0.5) ? shared : new Uint8Array(shared))
    }
    case 'blob':
      return plain(new Blob([upload]))
    case 'form':
      return formBody(parts)
    default: {
      const parameters = new URLSearchParams({ mark: text() })
      return { ...plain(parameters), encoded: () => Buffer.from(String(parameters)) }
    }
  }
}

/** Returns a view with two-byte elements if `bytes` can be one, otherwise a DataView. */
function viewOf({ buffer, byteOffset, byteLength }: Buffer): ArrayBufferView {
  return byteOffset % 2 === 0 && byteLength % 2 === 0
    ? new Uint16Array(buffer, byteOffset, byteLength / 2)
    : new DataView(buffer, byteOffset, byteLength)
}

const END = '\r\n'

/** A FormData with a text, a Blob or both. Its boundary is random when it is sent. */
function formBody({ upload, random }: SourceParts): MadeBody {
  const form = new FormData()
  const texts = random.pick([true, false])
  const files = !texts || random.chance(0.5)
  if (texts) form.append('text', upload.toString('latin1'))
  if (files) form.append('file', new Blob([upload], { type: 'a/b' }), 'name')
  const encoded = (type: string | undefined): Buffer | null => {
    const boundary = /^multipart\/form-data; boundary=(.+)$/.exec(type ?? '')?.[1]
    if (boundary === undefined) return null
    const start = `--${boundary}${END}Content-Disposition: form-data; name=`
    const file = `${start}"file"; filename="name"${END}Content-Type: a/b${END}${END}`
    return Buffer.concat([
      ...(texts ? [Buffer.from(`${start}"text"${END}${END}`), upload, Buffer.from(END)] : []),
      ...(files ? [Buffer.from(file), upload, Buffer.from(END)] : []),
      Buffer.from(`--${boundary}--${END}`),
    ])
  }
  return { body: form as unknown as BodyInput, streams: false, closed: () => true, encoded }
}
